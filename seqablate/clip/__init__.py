"""Clipping strategies: one file each. Importing this package registers them."""

from seqablate.clip import none, norm, value

__all__ = ["none", "norm", "value"]
