"""A text as token ids: characters or words, a vocabulary, and three parts to train, validate and test on.

Token id 0 is ``<unk>`` at both levels: whatever the vocabulary lacks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
import regex

from seqablate.errors import UsageError
from seqablate.tasks.lm_text import read_text

UNK, EOS = "<unk>", "<eos>"
SPLITS = ("train", "validation", "test")
HELD_OUT = 20  # if the source has no validation or test part, each is this fraction (one in 20) of its training text

# A word is a run of letters, digits and _ with the marks on them (accents, vowel signs) and the invisible characters in
# it (joiners, soft hyphens, direction marks). It keeps an inner apostrophe (don't), and what does the same in Catalan
# (col·legi) and Hebrew (gershayim). Scripts written without blanks have no such runs: there, each character with its
# marks is a token, as in Unicode's default word boundaries (UAX 29). Any other visible character with its marks is a
# token of its own. Corpora such as PTB and WikiText write rare words as <unk>: that is our <unk> too.
UNSPACED = r"\p{Han}\p{Hiragana}\p{Line_Break=SA}"  # SA: Thai, Lao, Khmer, Myanmar
LETTER = rf"[[\w\u200c\u200d\p{{Word_Break=Format}}]--[{UNSPACED}]]"
INNER = "['’·\u05f4]"  # the last is Hebrew gershayim
WORD = regex.compile(rf"<unk>|\n|(?=[{UNSPACED}])\X|{LETTER}+(?:{INNER}{LETTER}+)*|(?!\s)\X", regex.V1)


class Level(Enum):
    """What a token is."""

    char = "char"
    word = "word"


@dataclass(frozen=True, slots=True, eq=False)
class Corpus:
    """An encoded text.

    Args:
        level: characters or words.
        vocabulary: the token of each id [V]; id 0 is ``<unk>``.
        ids: token ids (int32) of each of ``SPLITS``.
        sha256: of the text as read (UTF-8, the parts in the order of ``SPLITS``): for a single UTF-8 file with Unix
            line ends it is what ``sha256sum`` prints.
    """

    level: Level
    vocabulary: tuple[str, ...]
    ids: dict[str, np.ndarray]
    sha256: str

    def decode(self, ids: Iterable[int]) -> str:
        """Text of token ids; words are joined by blanks, ``<eos>`` is a line break."""
        tokens = [self.vocabulary[i] for i in ids]
        if self.level is Level.char:
            return "".join(tokens)
        return "\n".join(line.strip() for line in " ".join(tokens).split(EOS))


def load_corpus(name: str, level: Level, vocab_size: int, column: str = "text") -> Corpus:
    """Read a text and encode it.

    Characters: the vocabulary is ``<unk>`` and every character of the training part, sorted. Words: tokens are words
    (with inner apostrophes), single punctuation characters, and ``<eos>`` for a line break; the vocabulary is
    ``<unk>`` and the tokens seen at least twice in the training part, the most frequent first (ties: a line break,
    then the earlier seen).

    The parts are the source's own where it has them (a dataset of the Hub). A missing validation or test part is cut
    from the end of the training text, 5 % of its tokens each: a plain text becomes 90 % train, then 5 % validation,
    then 5 % test, each contiguous.

    Args:
        name: see :func:`seqablate.tasks.lm_text.read_text`.
        level: characters or words.
        column: of a table, see the same function.
        vocab_size: most entries of a word vocabulary, ``<unk>`` included; characters are never dropped.

    Raises:
        UsageError: the text cannot be read, is empty, or leaves nothing to predict: all its tokens are the same.

    Example:
        >>> corpus = load_corpus("pydoc", Level.char, 10_000)
        >>> corpus.decode(corpus.ids["train"][:9])
        'The "asse'
    """
    texts = read_text(name, column)
    codes, symbols = _codes(texts, level)
    parts = _parts(codes)
    kept = _vocabulary(parts["train"], level, vocab_size)
    table = np.zeros(1 + max(int(part.max(initial=0)) for part in parts.values()), dtype=np.int32)
    table[kept] = np.arange(1, len(kept) + 1)
    vocabulary = (UNK, *(chr(c) if level is Level.char else symbols[c] for c in kept))
    ids = {split: table[part] for split, part in parts.items()}
    _check_vocabulary(name, level, vocabulary, ids["train"])
    return Corpus(
        level=level,
        vocabulary=vocabulary,
        ids=ids,
        sha256=hashlib.sha256("".join(texts[s] for s in SPLITS if s in texts).encode()).hexdigest(),
    )


def unknown_note(corpus: Corpus) -> str:
    """The share of a text that its vocabulary lacks: predicting <unk> is easy and says nothing about the text."""
    shares = [f"{100 * float((corpus.ids[split] == 0).mean()):.1f} % of {split}" for split in SPLITS]
    return f"vocabulary of {len(corpus.vocabulary)}; {UNK} is {', '.join(shares)}"


def _check_vocabulary(name: str, level: Level, vocabulary: tuple[str, ...], train: np.ndarray) -> None:
    if len(train) < 2 or (train != train[0]).any():
        return
    if train[0] == 0:
        why = f"no word occurs twice in its training part, so the vocabulary is {UNK} alone"
        right = "use a longer text or task.level=char"
    else:
        why = f"its training part repeats one {level.value if level is Level.word else 'character'}"
        why += f" ({vocabulary[train[0]]!r}), the vocabulary: there is nothing to predict"
        right = "use another text"
    raise UsageError(f"task.corpus={name}: {why}; {right}")


def _codes(texts: dict[str, str], level: Level) -> tuple[dict[str, np.ndarray], Sequence[str]]:
    """Each text as integers, one a token: code points, or places in the list of words in order of appearance."""
    if level is Level.char:
        return {split: np.frombuffer(text.encode("utf-32-le"), dtype="<u4") for split, text in texts.items()}, ()
    places = {UNK: 0, "\n": 1}
    codes = {
        split: np.fromiter((places.setdefault(word, len(places)) for word in WORD.findall(text)), dtype=np.int64)
        for split, text in texts.items()
    }
    return codes, [EOS if word == "\n" else word for word in places]


def _parts(codes: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Train, validation and test; what is missing comes off the end of the training text."""
    train, parts = codes["train"], dict(codes)
    size = len(train) // HELD_OUT
    for split in reversed(SPLITS[1:]):
        if split not in codes:
            end = len(parts["train"])
            parts["train"], parts[split] = np.split(parts["train"], [end - size])
    return {split: parts[split] for split in SPLITS}


def _vocabulary(train: np.ndarray, level: Level, vocab_size: int) -> np.ndarray:
    """The codes that get an id, in the order of their ids (from 1)."""
    counts = np.bincount(train)
    if level is Level.char:
        return np.flatnonzero(counts)
    counts[:1] = 0  # <unk> has id 0 already
    frequent = np.flatnonzero(counts >= 2)
    return frequent[np.argsort(-counts[frequent], kind="stable")][: vocab_size - 1]
