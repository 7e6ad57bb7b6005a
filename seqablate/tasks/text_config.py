"""The keys of a task that reads a text, and the text that they name."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from seqablate.config.checks import at_least
from seqablate.config.keys import key
from seqablate.tasks.corpus import Corpus, Level, load_corpus


@dataclass(kw_only=True, slots=True)
class TextConfig:
    """Abstract: :func:`seqablate.tasks.lm_text.read_text` says what ``corpus`` may be."""

    corpus: str = key("pydoc, a text file or table, a folder of .txt files, or owner/name[:config] on the Hub")
    column: str = key("column of a table (.jsonl, .csv, .parquet, a dataset of the Hub) that holds the text")
    level: Level = key("what a token is")
    vocab_size: int = key(at_least(2), "most words of the vocabulary; the rest is <unk>")

    def check_keys(self) -> None:
        path = Path(os.path.expanduser(self.corpus))
        if self.corpus.strip() and self.corpus != "pydoc" and os.path.exists(path):
            self.corpus = str(path.resolve())  # resuming works from any folder

    def load(self) -> Corpus:
        """The text that the keys name (UsageError if it cannot be read, or has nothing to predict)."""
        return load_corpus(self.corpus, self.level, self.vocab_size, self.column)

    @property
    def unit(self) -> str:
        """What its tokens are called."""
        return "characters" if self.level is Level.char else "words"
