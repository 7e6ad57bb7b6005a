"""T5: an encoder-decoder of self-attention with relative positions."""
