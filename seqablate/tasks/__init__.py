"""Tasks: one file per kind. Importing this package registers them; torch is imported when one is built."""

from seqablate.tasks import adding, copy, digits, lm, reverse, temporal_order

__all__ = ["adding", "copy", "digits", "lm", "reverse", "temporal_order"]
