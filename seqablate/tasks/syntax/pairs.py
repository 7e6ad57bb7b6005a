"""Minimal pairs: two texts of which a language model should find the first more probable. Files of three kinds:

- BLiMP (Warstadt et al. 2020): lines of JSON with ``sentence_good`` and ``sentence_bad``; by ``linguistics_term``, UID.
- Gulordava et al. 2018: a table with tabs; a ``prefix`` and a ``form`` in each row, whose ``class`` is correct or
  wrong; by ``n_attr``, attractors.
- Linzen et al. 2016: a table with tabs; the prefix is what stands before ``verb_index`` in ``orig_sentence``, the right
  form is ``verb``. The other form is made by English rules from ``verb_pos`` (VBZ or VBP). By attractors, where every
  intervening noun is one, as in the paper; else ``mixed``.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqablate.errors import UsageError, printable
from seqablate.text import counted

LARGEST = 1 << 30  # bytes of a file
IRREGULAR = {"is": "are", "has": "have", "does": "do", "goes": "go", "was": "were"}


@dataclass(frozen=True, slots=True)
class Pair:
    """Two texts, and the group in which the pair counts."""

    good: str
    bad: str
    group: str


class _Bad(ValueError):
    """What is wrong with a line."""


def read_pairs(path: Path) -> list[Pair]:
    """Every pair of a file, in its order.

    Raises:
        UsageError: the file cannot be read, is of none of these kinds, or a line of it is wrong (which is named).
    """
    name = printable(str(path))
    try:
        if not path.is_file():
            raise UsageError(f"pairs={name}: no such file")
        if path.stat().st_size > LARGEST:
            raise UsageError(f"pairs={name}: is larger than a gigabyte")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UsageError(f"pairs={name}: is not UTF-8 text") from error
    except OSError as error:
        raise UsageError(f"pairs={name}: cannot be read: {error.strerror}") from error
    read = _layout(lines)
    if read is None:
        raise UsageError(
            f"pairs={name}: is neither lines of JSON with sentence_good and sentence_bad (BLiMP) nor a table with tabs "
            "whose first line has prefix, form, class, or orig_sentence, verb, verb_pos, verb_index"
        )
    numbered = (number_line for number_line in enumerate(lines, 1) if number_line[1].strip())
    try:
        pairs = list(read(numbered))
    except _Bad as error:
        raise UsageError(f"pairs={name}: {error}") from None
    if not pairs:
        raise UsageError(f"pairs={name}: has no pairs in it")
    return pairs


Lines = Iterator[tuple[int, str]]


def _layout(lines: list[str]) -> Callable[[Lines], Iterator[Pair]] | None:
    first = next((line for line in lines if line.strip()), "")
    columns = set(first.split("\t"))
    if first.lstrip().startswith("{"):
        return _blimp
    if {"prefix", "form", "class"} <= columns:
        return _gulordava
    return _linzen if {"orig_sentence", "verb", "verb_pos", "verb_index"} <= columns else None


def _blimp(lines: Lines) -> Iterator[Pair]:
    for number, line in lines:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            raise _Bad(f"line {number} is no JSON") from None
        good, bad = (_text(row, key, number) for key in ("sentence_good", "sentence_bad"))
        named = [row[key] for key in ("linguistics_term", "UID") if isinstance(row.get(key), str)]
        yield Pair(good, bad, " / ".join(dict.fromkeys(named)) or "all")


def _text(row: Any, key: str, number: int) -> str:
    found = row.get(key) if isinstance(row, dict) else None
    if not isinstance(found, str) or not found.strip():
        raise _Bad(f"line {number} has no {key}")
    return found


def _rows(lines: Lines, *needed: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Each row by column; a quotation mark stands for itself only where it does not enclose a field."""
    columns = next(lines)[1].split("\t")
    for number, line in lines:
        try:
            fields = next(csv.reader([line], delimiter="\t"))
        except csv.Error as error:
            raise _Bad(f"line {number}: {error}") from None
        if len(fields) != len(columns):
            raise _Bad(f"line {number} has {counted(len(fields), 'field')}, and the first line {len(columns)}")
        row = dict(zip(columns, fields, strict=True))
        for key in needed:
            _text(row, key, number)
        yield number, row


def _gulordava(lines: Lines) -> Iterator[Pair]:
    waiting: dict[str, str] | None = None
    for number, row in _rows(lines, "prefix", "form", "class"):
        if row["class"] != ("correct" if waiting is None else "wrong"):
            raise _Bad(f"line {number}: a row of class correct and one of class wrong must follow each other")
        if waiting is None:
            waiting = row
            continue
        if row["prefix"] != waiting["prefix"]:
            raise _Bad(f"line {number}: its prefix is not that of the row before it")
        group = _attractors(row["n_attr"], number) if "n_attr" in row else "all"
        yield Pair(f"{row['prefix']} {waiting['form']}", f"{row['prefix']} {row['form']}", group)
        waiting = None
    if waiting is not None:
        raise _Bad("the last row has no row of class wrong after it")


def _linzen(lines: Lines) -> Iterator[Pair]:
    for number, row in _rows(lines, "orig_sentence", "verb", "verb_pos", "verb_index"):
        words, at = row["orig_sentence"].split(), _number(row["verb_index"], "verb_index", number)
        if not 1 < at <= len(words):
            raise _Bad(f"line {number}: verb_index={at} is no place in its sentence")
        if row["verb_pos"] not in ("VBZ", "VBP"):
            raise _Bad(f"line {number}: verb_pos={printable(row['verb_pos'])[:20]}: must be VBZ or VBP")
        before, other = " ".join(words[: at - 1]), other_form(row["verb"], singular=row["verb_pos"] == "VBZ")
        if other == row["verb"]:
            raise _Bad(f"line {number}: verb={printable(other)[:20]} is not a form of {row['verb_pos']}")
        alike = row.get("n_intervening") == row.get("n_diff_intervening")
        group = _attractors(row["n_diff_intervening"], number) if alike and "n_diff_intervening" in row else "mixed"
        yield Pair(f"{before} {row['verb']}", f"{before} {other}", group)


def _number(text: str, key: str, number: int) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise _Bad(f"line {number}: {key}={printable(text)[:20]}: must be a whole number")
    return int(text)


def _attractors(text: str, number: int) -> str:
    return counted(_number(text, "attractors", number), "attractor")


def other_form(verb: str, *, singular: bool) -> str:
    """The plural of a verb in the present tense, or its singular.

    Example:
        >>> [other_form(verb, singular=True) for verb in ("is", "watches", "tries", "keeps")]
        ['are', 'watch', 'try', 'keep']
        >>> [other_form(verb, singular=False) for verb in ("have", "watch", "try", "play")]
        ['has', 'watches', 'tries', 'plays']
    """
    pairs = IRREGULAR if singular else {plural: one for one, plural in IRREGULAR.items()}
    if verb in pairs:
        return pairs[verb]
    if singular:
        if verb.endswith("ies") and len(verb) > 4:
            return f"{verb[:-3]}y"
        return verb[:-2] if verb.endswith(("shes", "ches", "sses", "xes", "zzes")) else verb.removesuffix("s")
    if verb.endswith("y") and verb[-2:-1] not in "aeiou":
        return f"{verb[:-1]}ies"
    return f"{verb}es" if verb.endswith(("sh", "ch", "ss", "x", "zz")) else f"{verb}s"
