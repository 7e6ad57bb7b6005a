"""Learning-rate schedules: one file each. Importing this package registers them."""

from seqablate.schedule import constant, cosine, step

__all__ = ["constant", "cosine", "step"]
