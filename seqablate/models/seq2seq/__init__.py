"""Encoder-decoder models of recurrences."""
