"""Encoder-decoder models of recurrences."""

from seqablate.models.seq2seq import config

__all__ = ["config"]
