"""Diagnostics: what is measured of a model while it learns, one file each. Importing this package registers them."""

from seqablate.diagnostics import lag, layers, pairs, profile

__all__ = ["lag", "layers", "pairs", "profile"]
