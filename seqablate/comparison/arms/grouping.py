"""From runs to arms: which runs count, which settings define an arm, and which runs of two arms are a pair."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seqablate.comparison.result import LeftOut
from seqablate.comparison.settings import NAME_ENOUGH, differing_keys, headings, settings
from seqablate.config.flat import flat_config, shown
from seqablate.errors import UsageError, printable, shorten
from seqablate.record.run import Run
from seqablate.record.schema import FINISHED

Settings = tuple[tuple[str, str], ...]  # keys, and values as they are written in an override
MISSING = object()  # what a run of another variant has for a key


@dataclass(frozen=True, slots=True)
class Unit:
    """One seed of an arm. Units of two arms with the same seed are a pair.

    Attributes:
        seed: it.
        runs: those that ended by themselves, by the settings that are pooled; one, where nothing is pooled.
    """

    seed: int
    runs: dict[Settings, Run]

    @property
    def run(self) -> Run:
        """The only one, or the first."""
        return next(iter(self.runs.values()))


@dataclass(frozen=True, slots=True)
class Group:
    """An arm.

    Attributes:
        label: its settings, unlike that of any other arm.
        config: the factors with their values.
        units: one for each seed, in the order of seeds.
        others: runs that have not ended by themselves.
    """

    label: str
    config: dict[str, Any]
    units: list[Unit]
    others: list[Run]

    @property
    def runs(self) -> list[Run]:
        """Those that ended by themselves."""
        return [run for unit in self.units for run in unit.runs.values()]

    @property
    def single(self) -> bool:
        """Whether each seed has one run."""
        return all(len(unit.runs) == 1 for unit in self.units)

    def by_seed(self) -> dict[int, Unit]:
        return {unit.seed: unit for unit in self.units}


@dataclass(frozen=True, slots=True)
class Grouping:
    """All arms.

    Attributes:
        factors: the keys that define the arms.
        pooled: keys that differ within arms.
        left_out: copies of a run.
    """

    factors: list[str]
    pooled: list[str]
    groups: list[Group]
    left_out: list[LeftOut]


def group_runs(runs: Sequence[Run], by: Sequence[str] | None, where: Sequence[str]) -> Grouping:
    """The arms, in the order in which their first runs were started; of a factor of numbers in their order.

    Args:
        runs: all that there are.
        by: keys that define the arms; None: all that differ but the seed.
        where: ``key=value[,value...]``: only runs with these values.

    Raises:
        UsageError: a key that no run has, or no run is left.
    """
    runs = sorted(_chosen(runs, where), key=lambda run: run.info.started)
    differing = differing_keys(runs)
    factors = differing if by is None else [find_key(key, runs) for key in by]
    pooled = [key for key in differing if key not in factors]
    found: dict[tuple[str, ...], list[Run]] = defaultdict(list)
    flats = {run.path: flat_config(run.config) for run in runs}
    for run in runs:
        found[tuple(repr(flats[run.path].get(key, MISSING)) for key in factors)].append(run)
    left_out: list[LeftOut] = []
    labels = _labels([flats[members[0].path] for members in found.values()], factors, where)
    groups = [
        _group(label, members, flats, factors, pooled, left_out)
        for label, members in zip(labels, found.values(), strict=True)
    ]
    return Grouping(factors, pooled, _in_order(groups, factors), left_out)


def _labels(flats: Sequence[Mapping[str, Any]], factors: Sequence[str], where: Sequence[str]) -> list[str]:
    """``rnn, clip=none``: the settings of each arm; a number behind those that would be the same."""
    short = headings(factors)
    found = [
        ", ".join(
            shown(flat[key]) if key in NAME_ENOUGH else f"{short[key]}={shown(flat[key])}"
            for key in factors
            if key in flat
        )
        or (", ".join(map(printable, where)) or "all runs") * (not factors)
        or f"without {', '.join(factors)}"
        for flat in flats
    ]
    return [
        label if found.count(label) == 1 else f"{label} ({found[: number + 1].count(label)})"
        for number, label in enumerate(found)
    ]


def find_key(name: str, runs: Sequence[Run]) -> str:
    """A key by its name or by its last part (UsageError if there is none, or there are several)."""
    keys = dict.fromkeys(key for run in runs for key in flat_config(run.config))
    if name in keys:
        if name == "seed":
            raise UsageError("seed: runs are pooled over their seeds; name the settings that tell arms apart")
        return name
    found = [key for key in keys if key.rpartition(".")[2] == name]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"{printable(name)} is the name of several settings: write {' or '.join(found)}")
    raise UsageError(
        f"no run has a setting {shorten(name)!r}: the runs differ in {', '.join(differing_keys(runs)) or 'their seeds'}"
    )


def read_settings(words: Sequence[str], runs: Sequence[Run], option: str) -> list[tuple[str, list[str]]]:
    """``key=value[,value...]`` -> (key, values), checked (UsageError). A list is one value: ``sizes=[8,16]``."""
    found = []
    for word in words:
        key, equals, values = word.partition("=")
        if not equals or not key or not values:
            raise UsageError(f"{option} {shorten(word)}: write key=value{_meant(word, runs)}")
        listed = [values] if values.startswith("[") else values.split(",")
        found.append(("seed" if key == "seed" else find_key(key, runs), listed))
    return found


def _meant(word: str, runs: Sequence[Run]) -> str:
    """`` (model=lstm)``, where a setting has the value that was given without its key."""
    flats = [flat_config(run.config) for run in runs]
    keys = sorted(
        {key for key in differing_keys(runs) for flat in flats if key in flat and has_value(flat[key], [word])}
    )
    return f", such as {' or '.join(f'{key}={shorten(word)}' for key in keys)}" if keys else ""


def has_value(value: Any, wanted: Sequence[str]) -> bool:
    """Whether a value of a config is one of those that were written: ``0.001`` and ``1e-3`` are the same."""
    if shown(value) in wanted:
        return True
    return type(value) in (int, float) and any(_number(word) == value for word in wanted)


def _number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None


def _chosen(runs: Sequence[Run], where: Sequence[str]) -> list[Run]:
    kept = list(runs)
    for key, values in read_settings(where, runs, "--where"):
        there = {shown(flat_config(run.config)[key]) for run in kept if key in flat_config(run.config)}
        kept = [run for run in kept if has_value(flat_config(run.config).get(key, MISSING), values)]
        if not kept:
            asked = f"--where {key}={','.join(values)}"
            raise UsageError(f"{asked}: no run has it; there is {shorten(', '.join(sorted(there)))}")
    return kept


def _group(
    label: str,
    members: Sequence[Run],
    flats: Mapping[Any, dict[str, Any]],
    factors: Sequence[str],
    pooled: Sequence[str],
    left_out: list[LeftOut],
) -> Group:
    """Runs with the same values of the factors. Of copies of a run the newest that has ended by itself counts."""
    config = {key: flats[members[0].path][key] for key in factors if key in flats[members[0].path]}
    units: dict[int, Unit] = {}
    others = []
    for run in members:
        if run.status not in FINISHED:
            others.append(run)
            continue
        flat = flats[run.path]
        runs = units.setdefault(run.info.seed, Unit(run.info.seed, {})).runs
        key = tuple((key, shown(flat[key])) for key in pooled if key in flat)
        if key in runs:
            left_out.append(_copy(runs[key], run))
        runs[key] = run
    return Group(label, config, [units[seed] for seed in sorted(units)], others)


def _copy(older: Run, newer: Run) -> LeftOut:
    same = (older.status, older.info.final, older.info.test) == (newer.status, newer.info.final, newer.info.test)
    result = "the same result" if same else f"another result ({older.status}, {newer.status})"
    return LeftOut(path=str(older.path), why=f"a copy of {newer.name} (seed {newer.info.seed}) with {result}")


def unit_label(run: Run, pooled: Sequence[str]) -> str:
    """``seed 3``, ``seed 3, lr=0.01``."""
    flat = flat_config(run.config)
    return ", ".join([f"seed {run.info.seed}", *settings({key: flat[key] for key in pooled if key in flat})])


def _in_order(groups: Sequence[Group], factors: Sequence[str]) -> list[Group]:
    """By their factors: numbers by size, other values as they came."""
    orders = {key: _order([group.config.get(key, MISSING) for group in groups]) for key in factors}
    return sorted(
        groups, key=lambda group: [orders[key].index(repr(group.config.get(key, MISSING))) for key in factors]
    )


def _order(values: Sequence[Any]) -> list[str]:
    """Every value once."""
    once = list({repr(value): value for value in values}.values())
    numbers = all(type(value) in (int, float) for value in once)
    return [repr(value) for value in (sorted(once) if numbers else once)]


def looks(groups: Sequence[Group], factors: Sequence[str]) -> list[tuple[int, ...]]:
    """For each arm and factor which of the factor's values it has."""
    orders = {key: _order([group.config.get(key, MISSING) for group in groups]) for key in factors}
    return [
        tuple(orders[key].index(repr(group.config.get(key, MISSING))) for key in factors) or (number,)
        for number, group in enumerate(groups)
    ]
