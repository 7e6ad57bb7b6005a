"""Transformers: self-attention over all timesteps at once."""
