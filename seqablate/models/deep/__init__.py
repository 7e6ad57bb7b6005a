"""Deep nets without recurrences: depth instead of time."""

from seqablate.models.deep import cnn, mlp, tcn

__all__ = ["cnn", "mlp", "tcn"]
