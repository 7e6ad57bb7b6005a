"""Override words, read with Hydra's grammar; what no run has a use for is refused. Imports no torch.

What is refused here is refused by the form of a word alone, in this order: it cannot be read, it is Hydra's own
business, it deletes or adds, it names several values without a sweep.
"""

from __future__ import annotations

import itertools
import math
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from seqablate.config.registry import GROUPS, SEVERAL, variants
from seqablate.errors import UsageError, shorten

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

SWEEP_KEYS = ("jobs", "launch", "sweep")  # of a sweep as a whole: seqablate/sweep/options.py declares them
DISTRIBUTIONS = ("loguniform", "uniform", "randint")  # from which a sweep can draw values
LAUNCHER = ("hydra/launcher=", "hydra.launcher.")
MOST_RUNS = 1000  # of one sweep: each is checked before the first begins
LONGEST_WORD = 10_000  # characters
DEEPEST = 20  # brackets inside of brackets
PLAIN = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:+%@?|~$*^")


def read_words(words: list[str]) -> list[Override]:
    """Every word as key and value (UsageError for one that is not ``key=value`` with a single value)."""
    for word in words:
        if is_of_sweep(word):
            raise UsageError(f"{shorten(word)}: has a meaning in a sweep only: add -m")
    overrides = [read_word(word) for word in words]
    for override in overrides:
        if override.is_sweep_override():
            raise UsageError(
                f"{shorten(override.input_line)} names several values: add -m to run a sweep, or quote the value"
            )
    return overrides


def expand_sweep(words: list[str]) -> list[list[str]]:
    """The words of each run of a sweep: every combination, the last word's values change fastest.

    A key that is given twice counts once, with its last values. (Words that choose diagnostics add to each other.)

    Raises:
        UsageError: a word that cannot be read, no value at all, or more than ``MOST_RUNS`` runs.
    """
    overrides = [read_word(word) for word in words]
    given = {_identity(override): override for override in overrides}
    counts = {key: _count(override) for key, override in given.items()}
    empty = [given[key].input_line for key, count in counts.items() if count == 0]
    if empty:
        raise UsageError(f"{shorten(empty[0])}: an empty range, so there is nothing to run")
    most = max(counts, key=lambda key: counts[key], default=None)
    if most is not None:
        refuse_too_many(str(given[most].input_line), math.prod(counts.values()))
    return [list(arm) for arm in itertools.product(*map(_values, given.values()))]


def refuse_too_many(word: str, runs: float) -> None:
    """Refuse a sweep of more than ``MOST_RUNS`` runs (UsageError names ``word``, which has the most values)."""
    if runs > MOST_RUNS:
        shown = f"{runs:,.0f}" if runs < 1e15 else f"{runs:.0e}"
        raise UsageError(f"{shorten(word)}: a sweep of {shown} runs; at most {MOST_RUNS:,} can be checked and run")


def is_drawn(word: str) -> bool:
    """Whether a word gives a key a distribution (``seqablate/sweep/search.py``), which Hydra's grammar does not know.

    Example:
        >>> is_drawn("optim.lr=loguniform(1e-4,1e-1)"), is_drawn("optim.lr='loguniform(1e-4,1e-1)'")
        (True, False)
    """
    return bool(re.fullmatch(rf"({'|'.join(DISTRIBUTIONS)})\s*\(.*\)", word.partition("=")[2].strip(), re.DOTALL))


def _identity(override: Override) -> str:
    """What a later word must share with an earlier one to replace it."""
    return str(override.input_line if override.key_or_group in SEVERAL else override.key_or_group)


def is_of_sweep(word: str) -> bool:
    """Whether a word is about a sweep as a whole, however it is misspelt behind the first part of its key.

    Example:
        >>> [is_of_sweep(word) for word in ("jobs=2", "sweep.stael=keep", "+launch", "job=2", "name=jobs")]
        [True, True, True, False, False]
    """
    return bool(re.match(rf"[+~]*({'|'.join(SWEEP_KEYS)})(\W|$)", word, re.ASCII))


def split_launcher(words: list[str]) -> tuple[list[str], list[str]]:
    """The words that choose one of Hydra's launchers for a sweep and set it up, and all the others."""
    chosen = [word for word in words if word.startswith(LAUNCHER)]
    if chosen and not any(word.startswith("hydra/launcher=") for word in chosen):
        raise UsageError(f"{shorten(chosen[0])}: choose the launcher as well, such as hydra/launcher=joblib")
    return sorted(chosen), [word for word in words if word not in chosen]  # the choice comes before its keys


@lru_cache(maxsize=2_000)  # the runs of a sweep have most of their words in common
def read_word(word: str) -> Override:
    """One word (UsageError if it cannot be read, or if its form has no use here)."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    if len(word) > LONGEST_WORD or _depth(word) > DEEPEST:
        raise UsageError(f"{shorten(word)}: too long or too deeply nested to be an override ({len(word)} characters)")
    if is_drawn(word):
        raise UsageError(f"{shorten(word)}: draws values, which only a sweep does: add -m sweep.samples=20")
    try:
        override = OverridesParser.create().parse_override(quote_letters(word))
    except (HydraException, ValueError, RecursionError) as error:
        raise UsageError(_unreadable(word)) from error
    override.input_line = word
    _refuse_form(override)
    return override


def _depth(word: str) -> int:
    level = itertools.accumulate((c in "[{(") - (c in ")}]") for c in word)
    return max(level, default=0)


def quote_letters(word: str) -> str:
    """Hydra's grammar knows ASCII letters only: a value with other letters and nothing special is quoted for it."""
    key, _, value = word.partition("=")
    plain = not value.isascii() and all(c.isalnum() or c in "_-./" for c in value)
    return f'{key}="{value}"' if plain else word


def _unreadable(word: str) -> str:
    key, equals, value = word.partition("=")
    if not equals or not key:
        return f"{shorten(word)!r} is not an override: write key=value"
    if not re.fullmatch(r"[+~]{0,2}[A-Za-z_][\w./@-]*", key, re.ASCII):
        return f"{shorten(word)}: {shorten(key, 20)!r} cannot be a key; see seqablate train --help for the keys"
    if value.strip("-+").isdigit() and len(value) > 4000:
        return f"{key}={shorten(value)}: the number is too long"
    special = "".join(dict.fromkeys(c for c in value if c not in PLAIN))
    what = f" because of {shorten(special, 20)!r}" if special else ""
    return (
        f"{shorten(word)} cannot be read: write key=value; put quotes around the value{what}, "
        "and quotes of the shell around the word: 'name=\"a (b)\"'"
    )


def _refuse_form(override: Override) -> None:
    key, word = override.key_or_group, shorten(override.input_line)
    if key.split(".")[0].split("/")[0] == "hydra":
        raise UsageError(
            f"{word}: keys of Hydra have no effect here; output_dir and name choose the folder, "
            "-m with key=a,b makes a sweep"
        )
    if override.package is not None:
        raise UsageError(f"{word}: unknown key {shorten(override.get_key_element())}; write {key}=...")
    if key in SEVERAL:
        _refuse_several(override, key, word)
        return
    if override.is_delete():
        other = f"choose one of {', '.join(variants(key))}" if key in GROUPS else "set it to a value"
        raise UsageError(f"{word}: a key cannot be deleted; {other}, or leave the word out")
    if key in GROUPS and (override.is_add() or override.is_force_add()):
        raise UsageError(f"{word}: write {word.lstrip('+')}")
    if override.is_interval_sweep():
        raise UsageError(f"{word}: interval() is not supported; write {key}=0,1,2 or {key}=range(3)")


def _refuse_several(override: Override, key: str, word: str) -> None:
    """Of the words for a group with several variants: one chooses all of them, or adds to them."""
    listed = f"{key}=[{','.join(variants(key)[:2])}]"
    if override.is_delete():
        raise UsageError(f"{word}: nothing can be taken away; list those that you want, as in {listed}")
    if override.is_force_add():
        raise UsageError(f"{word}: write {word[1:]}")
    if override.is_sweep_override():
        raise UsageError(f"{word}: cannot be swept, because a run may have several; list them, as in {listed}")


def _count(override: Override) -> float:
    """How many values a word has; infinite for a range without an end."""
    from hydra.core.override_parser.types import ChoiceSweep, Glob, RangeSweep

    value: Any = override._value
    word = shorten(override.input_line)
    if isinstance(value, Glob):
        raise UsageError(f"{word}: glob() is not supported; name the choices, such as model=rnn,lstm")
    if isinstance(value, ChoiceSweep):
        return len(value.list)
    if not isinstance(value, RangeSweep):
        return 1
    start, stop, step = (float(number if number is not None else 0) for number in (value.start, value.stop, value.step))
    if step == 0 or not math.isfinite(start + step) or math.isnan(stop):
        raise UsageError(f"{word}: the step of range() must be a number that is not 0, and its start a finite number")
    return max(0.0, math.ceil(span)) if math.isfinite(span := (stop - start) / step) else max(0.0, span)


def _values(override: Override) -> list[str]:
    """The words of each value, drawn once: a shuffled range has one order."""
    if not override.is_sweep_override():
        return [str(override.input_line)]
    return [f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator()]
