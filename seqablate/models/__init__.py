"""Models: one file per kind. Importing this package registers them; torch is imported when one is built."""

from seqablate.models import gru, lstm, mgu, rnn

__all__ = ["gru", "lstm", "mgu", "rnn"]
