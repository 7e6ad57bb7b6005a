"""From runs to arms: which runs count, what tells arms apart, and which runs of two arms are a pair."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seqablate.compare.comparison import LeftOut
from seqablate.compare.measures import ENDED
from seqablate.compare.settings import differing_keys, settings
from seqablate.config.flat import flat_config, shown
from seqablate.errors import UsageError, printable, shorten
from seqablate.record.run import Run

Setting = tuple[str, str]  # a key, and a value as it is written in an override


@dataclass(frozen=True, slots=True)
class Unit:
    """One run of an arm, and what tells it from the others there: runs of two arms with the same key are a pair."""

    key: tuple[tuple[str, str], ...]
    run: Run

    @property
    def label(self) -> str:
        """``seed 3``, ``seed 3, lr=0.01``."""
        (_, seed), *others = self.key
        return ", ".join([f"seed {seed}", *settings(dict(others))])


@dataclass(frozen=True, slots=True)
class Group:
    """An arm.

    Attributes:
        config: the factors with their values.
        units: runs that ended by themselves, one for each key.
        others: runs that have not ended by themselves.
    """

    config: dict[str, Any]
    units: list[Unit]
    others: list[Run]

    @property
    def label(self) -> str:
        return ", ".join(settings(self.config)) or "all runs"

    def by_key(self) -> dict[tuple[tuple[str, str], ...], Run]:
        return {unit.key: unit.run for unit in self.units}


@dataclass(frozen=True, slots=True)
class Grouping:
    """All arms.

    Attributes:
        factors: the keys that tell the arms apart.
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
        by: keys that tell the arms apart; None: all that differ but the seed.
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
        found[tuple(repr(flats[run.path].get(key)) for key in factors)].append(run)
    left_out: list[LeftOut] = []
    groups = [_group(members, flats, factors, pooled, left_out) for members in found.values()]
    return Grouping(factors, pooled, _in_order(groups, factors), left_out)


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
    """``key=value[,value...]`` -> (key, values), checked (UsageError)."""
    found = []
    for word in words:
        key, equals, values = word.partition("=")
        if not equals or not key or not values:
            raise UsageError(f"{option} {shorten(word)}: write key=value")
        found.append(("seed" if key == "seed" else find_key(key, runs), values.split(",")))
    return found


def _chosen(runs: Sequence[Run], where: Sequence[str]) -> list[Run]:
    kept = list(runs)
    for key, values in read_settings(where, runs, "--where"):
        there = {shown(flat_config(run.config).get(key)) for run in kept}
        kept = [run for run in kept if shown(flat_config(run.config).get(key)) in values]
        if not kept:
            raise UsageError(f"--where {key}={','.join(values)}: no run has it; there are {shorten(sorted(there))}")
    return kept


def _group(
    members: Sequence[Run],
    flats: Mapping[Any, dict[str, Any]],
    factors: Sequence[str],
    pooled: Sequence[str],
    left_out: list[LeftOut],
) -> Group:
    """Runs with the same values of the factors. Of copies the one that has ended counts, the newest of several."""
    config = {key: flats[members[0].path][key] for key in factors if key in flats[members[0].path]}
    units: dict[tuple[tuple[str, str], ...], Unit] = {}
    others = []
    for run in members:
        if run.status not in ENDED:
            others.append(run)
            continue
        flat = flats[run.path]
        key = (("seed", str(run.info.seed)), *((key, shown(flat[key])) for key in pooled if key in flat))
        unit = Unit(key, run)
        if key in units:
            left_out.append(LeftOut(path=str(units[key].run.path), why=f"a copy of {run.name} ({unit.label})"))
        units[key] = unit
    return Group(config, sorted(units.values(), key=lambda unit: (unit.run.info.seed, unit.key)), others)


def _in_order(groups: Sequence[Group], factors: Sequence[str]) -> list[Group]:
    """By their factors: numbers by size, other values as they came."""
    orders = {key: _order([group.config.get(key) for group in groups]) for key in factors}
    return sorted(groups, key=lambda group: [orders[key].index(repr(group.config.get(key))) for key in factors])


def _order(values: Sequence[Any]) -> list[str]:
    """Every value once."""
    once = list({repr(value): value for value in values}.values())
    numbers = all(type(value) in (int, float) for value in once)
    return [repr(value) for value in (sorted(once) if numbers else once)]


def looks(groups: Sequence[Group], factors: Sequence[str]) -> list[tuple[int, ...]]:
    """For each arm and factor which of the factor's values it has."""
    orders = {key: _order([group.config.get(key) for group in groups]) for key in factors}
    return [
        tuple(orders[key].index(repr(group.config.get(key))) for key in factors) or (number,)
        for number, group in enumerate(groups)
    ]
