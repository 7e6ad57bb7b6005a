"""Recurrent models: stacks of recurrences with one readout."""

from seqablate.models.recurrent import gru, lstm, mgu, rnn

__all__ = ["gru", "lstm", "mgu", "rnn"]
