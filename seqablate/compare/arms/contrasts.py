"""Arms against a baseline, paired by seed; and with two factors, what each does by itself and both do together."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from seqablate.compare.arms.grouping import Group, Grouping
from seqablate.compare.comparison import Contrast, Effect, Test
from seqablate.compare.measures import Measure, solved
from seqablate.compare.settings import settings
from seqablate.config.flat import shown
from seqablate.errors import UsageError
from seqablate.record.run import Run
from seqablate.statistics.interval import median, paired_rate_difference, rate_difference
from seqablate.statistics.tests import fisher, holm, mcnemar, sign_flip

Pair = tuple[Run, Run]  # of an arm and of its baseline
Corner = tuple[Group, Group, Group, Group]  # both levels of both factors: 11, 01, 10, 00


@dataclass(frozen=True, slots=True)
class Against:
    """An arm and the one that it is compared with."""

    arm: Group
    baseline: Group

    @property
    def changed(self) -> list[str]:
        """The factors in which they differ."""
        one, other = self.arm.config, self.baseline.config
        return [key for key in dict.fromkeys([*one, *other]) if repr(one.get(key)) != repr(other.get(key))]

    @property
    def pairs(self) -> list[Pair]:
        """Their runs with the same seed (and the same of what else is pooled)."""
        others = self.baseline.by_key()
        return [(unit.run, others[unit.key]) for unit in self.arm.units if unit.key in others]


def find_against(grouping: Grouping, baseline: Sequence[tuple[str, list[str]]]) -> list[Against]:
    """Every arm with its baseline.

    Args:
        grouping: all arms.
        baseline: settings of the baseline: each other arm is compared with the arm that has these settings and is
            otherwise like it. Empty: all with the first arm.

    Raises:
        UsageError: no arm has these settings.
    """
    first, *others = grouping.groups
    if not baseline:
        return [Against(group, first) for group in others]
    if unknown := [key for key, _ in baseline if key not in grouping.factors]:
        raise UsageError(
            f"--baseline {unknown[0]}: it does not tell arms apart; they differ in {', '.join(grouping.factors)}"
        )
    bases = [group for group in grouping.groups if _has(group, baseline)]
    if not bases:
        asked = " ".join(f"{key}={','.join(values)}" for key, values in baseline)
        raise UsageError(f"--baseline {asked}: no arm has it")
    keys = [key for key, _ in baseline]
    found = ((group, _alike(group, bases, keys)) for group in grouping.groups if not _has(group, baseline))
    return [Against(group, base) for group, base in found if base is not None]


def _has(group: Group, wanted: Sequence[tuple[str, list[str]]]) -> bool:
    return all(shown(group.config.get(key)) in values for key, values in wanted)


def _alike(group: Group, bases: Sequence[Group], keys: Sequence[str]) -> Group | None:
    """The baseline that differs from an arm in the baseline's keys alone, and in keys that only one of them has."""

    def distance(base: Group) -> int:
        shared = [key for key in group.config if key in base.config and key not in keys]
        return sum(repr(group.config[key]) != repr(base.config[key]) for key in shared)

    return next((base for base in bases if distance(base) == 0), None)


def contrast(against: Against, measure: Measure, level: float) -> Contrast:
    """One arm less its baseline."""
    pairs = against.pairs
    return Contrast(
        arm=against.arm.label,
        baseline=against.baseline.label,
        changed=against.changed,
        pairs=len(pairs),
        solved=_solved(against, pairs, level),
        value=_paired([gap(measure.value(one), measure.value(other)) for one, other in pairs], level),
    )


def gap(one: float | None, other: float | None) -> float | None:
    """The first less the second; two runs that diverged do not differ."""
    if one is None or other is None:
        return None
    return 0.0 if one == other else one - other


def _paired(differences: Sequence[float | None], level: float) -> Test | None:
    """None without pairs, or where not every pair has numbers."""
    numbers = [value for value in differences if value is not None and not math.isnan(value)]
    if not numbers or len(numbers) < len(differences):
        return None
    return Test(difference=median(numbers, level), p=sign_flip(numbers), telling=sum(map(bool, numbers)))


def _solved(against: Against, pairs: Sequence[Pair], level: float) -> Test | None:
    if pairs:
        found = [(solved(one), solved(other)) for one, other in pairs]
        if any(None in pair for pair in found):
            return None
        both, first, second, neither = (found.count((a, b)) for a, b in product((True, False), repeat=2))
        difference = paired_rate_difference(both, first, second, neither, level)
        return Test(difference=difference, p=mcnemar(first, second), telling=first + second)
    sides = [[solved(unit.run) for unit in group.units] for group in (against.arm, against.baseline)]
    if any(not side or None in side for side in sides):
        return None
    (k1, n1), (k2, n2) = ((sum(map(bool, side)), len(side)) for side in sides)
    telling = min(k1 + k2, n1 + n2 - k1 - k2)
    return Test(difference=rate_difference(k1, n1, k2, n2, level), p=fisher(k1, n1, k2, n2), telling=telling)


def effects(grouping: Grouping, measure: Measure, level: float) -> list[Effect]:
    """With two factors and an arm for every combination: main effects and interactions, each against the first level.

    A unit counts where all arms have it, with finite numbers.
    """
    if len(grouping.factors) != 2:
        return []
    grid = {tuple(repr(group.config.get(key)) for key in grouping.factors): group for group in grouping.groups}
    levels = [list(dict.fromkeys(key[i] for key in grid)) for i in (0, 1)]
    if min(map(len, levels)) < 2 or len(grid) != len(levels[0]) * len(levels[1]):
        return []
    return [found for found in _effects(grouping.factors, grid, levels, measure, level) if found is not None]


def _effects(
    factors: Sequence[str],
    grid: dict[tuple[str, ...], Group],
    levels: Sequence[Sequence[str]],
    measure: Measure,
    level: float,
) -> Iterator[Effect | None]:
    a, b = levels
    for one in a[1:]:
        sides = [(grid[one, other], grid[a[0], other]) for other in b]
        yield _effect(
            "main", f"{_name(factors[0], sides[0])}, averaged over {factors[1]}", sides, _mean, measure, level
        )
    for one in b[1:]:
        sides = [(grid[other, one], grid[other, b[0]]) for other in a]
        yield _effect(
            "main", f"{_name(factors[1], sides[0])}, averaged over {factors[0]}", sides, _mean, measure, level
        )
    for one, other in product(a[1:], b[1:]):
        sides = [(grid[one, other], grid[a[0], other]), (grid[one, b[0]], grid[a[0], b[0]])]
        across = _name(factors[1], (sides[0][0], sides[1][0]))
        name = f"{_name(factors[0], sides[0])}: how much more with {across}"
        yield _effect("interaction", name, sides, lambda gaps: gaps[0] - gaps[1], measure, level)


def _name(factor: str, side: tuple[Group, Group]) -> str:
    one, other = ("".join(settings({factor: group.config.get(factor)})) for group in side)
    return f"{one} against {other}"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _effect(
    kind: str,
    name: str,
    sides: Sequence[tuple[Group, Group]],
    combine: Callable[[Sequence[float]], float],
    measure: Measure,
    level: float,
) -> Effect | None:
    """``combine`` takes for one unit the differences of the sides."""
    tables = [(one.by_key(), other.by_key()) for one, other in sides]
    shared = [unit.key for unit in sides[0][0].units if all(unit.key in runs for side in tables for runs in side)]
    found = []
    for key in shared:
        gaps = [gap(measure.value(one[key]), measure.value(other[key])) for one, other in tables]
        if any(value is None or not math.isfinite(value) for value in gaps):
            return None
        found.append(combine([value for value in gaps if value is not None]))
    test = _paired(found, level)
    if test is None:
        return None
    return Effect(name=name, kind="main" if kind == "main" else "interaction", pairs=len(found), value=test)


def corrected(contrasts: Sequence[Contrast], found: Sequence[Effect]) -> tuple[list[Contrast], list[Effect]]:
    """The same with Holm's correction over every test that could have come out either way (Tarone 1990)."""
    tests = [test for one in contrasts for test in (one.solved, one.value)] + [one.value for one in found]
    adjusted = iter(holm([test.p for test in tests if test is not None and test.p is not None and test.telling]))

    def correct(test: Test | None) -> Test | None:
        if test is None or test.p is None:
            return test
        return replace(test, holm=next(adjusted) if test.telling else 1.0)

    done = [replace(one, solved=correct(one.solved), value=correct(one.value)) for one in contrasts]
    return done, [replace(one, value=correct(one.value) or one.value) for one in found]
