"""Models by family, one file per kind. Importing this package registers them; torch is imported when one is built."""

from seqablate.models import deep, recurrent, seq2seq, transformer

__all__ = ["deep", "recurrent", "seq2seq", "transformer"]
