"""Transformers: self-attention over all timesteps at once."""

from seqablate.models.transformer import config

__all__ = ["config"]
