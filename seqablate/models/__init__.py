"""Models: one file per kind. Importing this package registers them; torch is imported when one is built."""

from seqablate.models import cnn, gru, lstm, mgu, mlp, rnn, seq2seq, tcn, transformer

__all__ = ["cnn", "gru", "lstm", "mgu", "mlp", "rnn", "seq2seq", "tcn", "transformer"]
