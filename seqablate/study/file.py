"""The file of a study: a claim, the arms that it compares, and what decides. What is wrong is said in one line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any

from seqablate.config.compose import config_folder
from seqablate.config.flat import shown
from seqablate.config.overrides import is_of_sweep, read_words
from seqablate.errors import UsageError, printable, shorten
from seqablate.record.plain_yaml import read_yaml
from seqablate.shape import Misfit, at_least, fitting, matches
from seqablate.study.criterion import ALPHA, Criterion, check

MOST_SEEDS = 1000
TUNING_SEEDS = 2  # where the file does not say
QUICK_SEEDS = 3
RESERVED = ("seed", "name", "output_dir", "quiet")  # what the study sets itself
ENDINGS = (".yaml", ".yml")

Named = Annotated[str, matches(r"[A-Za-z][\w-]{0,60}", "a name of letters, digits, '_' and '-'")]
Count = Annotated[int, at_least(1)]


@dataclass(frozen=True)
class Seeds:
    """So many seeds, from the first one on."""

    count: Count
    first: Annotated[int, at_least(0)] = 0


@dataclass(frozen=True)
class Quick:
    """What ``budget=quick`` does instead: fewer seeds, and words such as ``steps=300``."""

    seeds: Count = QUICK_SEEDS
    words: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Study:
    """A study as its file says it.

    Attributes:
        name: of the file, without its ending.
        claim: a sentence that can be right or wrong.
        arms: what each arm is, as override words.
        criterion: all of them must hold.
        seeds: of the runs that decide; the same for every arm.
        source: who claims it.
        why: why arms that are compared differ in more than one factor, if they do.
        fixed: the words of all arms.
        tune: keys, each with the values that are tried in every arm; all combinations.
        tuning_seeds: with how many seeds, which are used for nothing else.
        looks: after how many seeds the verdict is looked at; one look, at the end, where there is none.
        quick: what the budget of that name does.
    """

    name: Named
    claim: str
    arms: dict[str, list[str]]
    criterion: list[Criterion]
    seeds: Seeds
    source: str = ""
    why: str | None = None
    fixed: list[str] = field(default_factory=list)
    tune: dict[str, list[str]] = field(default_factory=dict)
    tuning_seeds: Count = TUNING_SEEDS
    looks: list[int] = field(default_factory=list)
    quick: Quick = field(default_factory=Quick)


def load_study(what: str | Path) -> Study:
    """A study by its name, of those that come with seqablate, or by its file.

    Raises:
        UsageError: one line that names the file and the key.
    """
    return read_study(find_study(what))


def study_files() -> list[Path]:
    """The files of the studies that come with seqablate."""
    return sorted((config_folder() / "study").glob("*.yaml"))


def find_study(what: str | Path) -> Path:
    """The file (UsageError if there is none)."""
    given = str(what)
    if given.endswith(ENDINGS) or "/" in given:
        return Path(what)
    names = {path.stem: path for path in study_files()}
    if given not in names:
        close = difflib.get_close_matches(given, names, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        known = f"give one of {', '.join(names)}, or a file that ends in .yaml"
        raise UsageError(f"no study {shorten(given)!r}: {hint}{known}")
    return names[given]


def read_study(path: Path) -> Study:
    """The study in a file (UsageError names the file and what is wrong in it)."""
    try:
        return parse(_table(path), path.stem)
    except Misfit as error:
        raise UsageError(f"{printable(str(path))}: {error}") from None


def _table(path: Path) -> dict[str, Any]:
    try:
        return read_yaml(path)
    except UsageError as error:
        mark, problem = (getattr(error.__cause__, name, None) for name in ("problem_mark", "problem"))
        if mark is None:
            raise
        raise UsageError(f"{printable(str(path))}, line {mark.line + 1}: {problem or 'is no YAML'}") from None


def parse(table: dict[str, Any], name: str) -> Study:
    """A study from the table that its file holds (Misfit names the key)."""
    raw = _filled(table | {"name": name}, Study)
    raw["arms"] = {arm: _words(words, ("arms", arm)) for arm, words in _mapping(raw["arms"], "arms").items()}
    raw["fixed"] = _words(raw["fixed"], ("fixed",))
    raw["tune"] = {key: _choices(values, key) for key, values in _mapping(raw["tune"], "tune").items()}
    raw["seeds"] = _filled(raw["seeds"] if isinstance(raw["seeds"], dict) else {"count": raw["seeds"]}, Seeds, "seeds")
    quick = _filled(_mapping(raw["quick"], "quick"), Quick, "quick")
    raw["quick"] = quick | {"words": _words(quick["words"], ("quick", "words"))}
    listed = raw["criterion"] if isinstance(raw["criterion"], list) else [raw["criterion"]]
    raw["criterion"] = [_filled(_mapping(each, "criterion"), Criterion, "criterion") for each in listed]
    study: Study = fitting(raw, Study)
    _check(study)
    return study


def _filled(table: dict[str, Any], declared: type, key: str | None = None) -> dict[str, Any]:
    """A table with the values that it leaves out; no other keys (Misfit)."""
    above = (key,) if key else ()
    known = {each.name: each for each in fields(declared)}
    for name in table:
        if name not in known or (name == "name" and declared is not Study):
            close = difflib.get_close_matches(str(name), known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(n for n in known if n != 'name')}"
            raise Misfit(f"is no key of a study; {hint}", (*above, str(name)))
    values: dict[str, Any] = {}
    for name, each in known.items():
        if name not in table and each.default is MISSING and each.default_factory is MISSING:
            raise Misfit("is missing", (*above, name))
        missing = each.default if each.default_factory is MISSING else _default(each.default_factory())
        values[name] = table.get(name, missing)
    return values


def _default(value: Any) -> Any:
    """A default as a file would have it."""
    return {} if isinstance(value, Quick) else value


def _mapping(value: Any, key: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Misfit("must be a table", (key,))
    return value


def _words(value: Any, keys: tuple[str, ...]) -> list[str]:
    """Override words from a line of them, or a list."""
    words = value.split() if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise Misfit("must be override words, such as 'model=lstm clip=norm'", keys)
    try:
        overrides = read_words(words)
    except UsageError as error:
        raise Misfit(f"has {error}", keys) from None
    for word, override in zip(words, overrides, strict=True):
        if is_of_sweep(word) or override.key_or_group in RESERVED:
            raise Misfit(f"has {shorten(word)}, which a study sets itself, or the command that runs it", keys)
    return words


def _choices(values: Any, key: str) -> list[str]:
    """The values of a tuned key, as they are written in a word."""
    if not isinstance(values, list) or len(values) < 2 or any(isinstance(value, dict) for value in values):
        raise Misfit("must be a list of two values or more", ("tune", key))
    _words([f"{key}={shown(value)}" for value in values], ("tune",))
    if len({shown(value) for value in values}) < len(values):
        raise Misfit("has a value twice", ("tune", key))
    return [shown(value) for value in values]


def _check(study: Study) -> None:
    """Refuse what is no study although each part fits (Misfit)."""
    if not study.claim.strip():
        raise Misfit("must be a sentence", ("claim",))
    if not study.arms:
        raise Misfit("must have an arm", ("arms",))
    for arm in study.arms:
        try:
            fitting(arm, Named)
        except Misfit as error:
            raise error.under("arms") from None
    _check_tuning(study)
    if not study.criterion:
        raise Misfit("must have one or more", ("criterion",))
    _check_seeds(study)
    for number, criterion in enumerate(study.criterion, start=1):
        try:
            check(criterion, list(study.arms))
        except Misfit as error:
            raise error.under("criterion" if len(study.criterion) == 1 else f"criterion {number}") from None


def fewest(criteria: int, looks: int) -> int:
    """With how many seeds the exact interval of a median can be stated that each criterion has at each look.

    The smallest and the largest of n values are its widest: they enclose the median but for 2 * 0.5 ** n.

    Example:
        >>> fewest(1, 1), fewest(5, 1), fewest(1, 3)
        (6, 8, 7)
    """
    accepted = ALPHA / (criteria * looks)
    return next(n for n in range(2, MOST_SEEDS) if 2 * 0.5**n <= accepted)


def _check_seeds(study: Study) -> None:
    looks = study.looks
    least = fewest(len(study.criterion), max(1, len(looks)))
    if not least <= study.seeds.count <= MOST_SEEDS:
        raise Misfit(f"must be {least} to {MOST_SEEDS:,}: with fewer this study never decides anything", ("seeds",))
    if looks and (looks != sorted(set(looks)) or looks[0] < least or looks[-1] != study.seeds.count):
        raise Misfit(f"must grow from {least} or more to the number of seeds, {study.seeds.count}", ("looks",))


def _check_tuning(study: Study) -> None:
    for where, words in (("fixed", study.fixed), ("quick", study.quick.words), *study.arms.items()):
        if twice := keys_of(words) & set(study.tune):
            raise Misfit(f"is tuned, and {where} sets it as well", ("tune", min(twice)))


def keys_of(words: Iterable[str]) -> set[str]:
    """The keys of override words."""
    return {word.partition("=")[0] for word in words}
