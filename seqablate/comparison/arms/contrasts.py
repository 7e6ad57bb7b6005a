"""Arms against a baseline, paired by seed; and with two factors, what each does by itself and both do together."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, product

from seqablate.comparison.arms.grouping import Group, Grouping, Unit, has_value
from seqablate.comparison.arms.results import known, seed_value
from seqablate.comparison.measures import Measure, solved, time_to_solve
from seqablate.comparison.result import Contrast, Effect, Test
from seqablate.comparison.settings import settings
from seqablate.errors import UsageError
from seqablate.statistics.interval import median, paired_rate_difference, rate_difference
from seqablate.statistics.tests import fisher, holm, lean, mcnemar, sign_flip

Pair = tuple[Unit, Unit]  # the same seed of an arm and of its baseline


@dataclass(frozen=True, slots=True)
class Against:
    """An arm and the one that it is compared with; ``others`` fit as well and come later in the table."""

    arm: Group
    baseline: Group
    others: Sequence[Group] = ()

    @property
    def changed(self) -> list[str]:
        """The factors in which they differ."""
        one, other = self.arm.config, self.baseline.config
        return [key for key in dict.fromkeys([*one, *other]) if repr(one.get(key)) != repr(other.get(key))]

    @property
    def pairs(self) -> list[Pair]:
        """The seeds that both have."""
        others = self.baseline.by_seed()
        return [(unit, others[unit.seed]) for unit in self.arm.units if unit.seed in others]


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
            f"--baseline {unknown[0]}: it does not define arms here; {', '.join(grouping.factors) or 'nothing'} does"
        )
    bases = [group for group in grouping.groups if _has(group, baseline)]
    if not bases:
        asked = " ".join(f"{key}={','.join(values)}" for key, values in baseline)
        raise UsageError(f"--baseline {asked}: no arm has it")
    keys = [key for key, _ in baseline]
    found = ((group, _alike(group, bases, keys)) for group in grouping.groups if not _has(group, baseline))
    return [Against(group, fitting[0], fitting[1:]) for group, fitting in found if fitting]


def _has(group: Group, wanted: Sequence[tuple[str, list[str]]]) -> bool:
    return all(key in group.config and has_value(group.config[key], values) for key, values in wanted)


def _alike(group: Group, bases: Sequence[Group], keys: Sequence[str]) -> list[Group]:
    """The baselines that differ from an arm in the baseline's keys alone, and in keys that only one of them has."""

    def alike(base: Group) -> bool:
        shared = (key for key in group.config if key in base.config and key not in keys)
        return all(repr(group.config[key]) == repr(base.config[key]) for key in shared)

    return [base for base in bases if alike(base)]


def contrast(against: Against, measure: Measure, level: float) -> Contrast:
    """One arm less its baseline."""
    pairs = against.pairs
    share = _shares(against, pairs, level)
    return Contrast(
        arm=against.arm.label,
        baseline=against.baseline.label,
        changed=against.changed,
        pairs=len(pairs),
        successes=None if share is None else share[0],
        solved=None if share is None else share[1],
        value=_paired(*_numbers(pairs, measure), level),
    )


def _numbers(pairs: Sequence[Pair], measure: Measure) -> tuple[list[float | None], float]:
    """The differences, None where one cannot be stated, and the size of the values that they are of."""
    values = [(seed_value(one, measure), seed_value(other, measure)) for one, other in pairs]
    size = max((abs(value) for value in known(chain(*values)) if math.isfinite(value)), default=0.0)
    if measure.censored:
        return [_censored_gap(one, other) for one, other in pairs], size
    return [gap(one, other) for one, other in values], size


def gap(one: float | None, other: float | None) -> float | None:
    """The first less the second; two runs that diverged do not differ."""
    if one is None or other is None:
        return None
    return 0.0 if one == other else one - other


def _censored_gap(one: Unit, other: Unit) -> float | None:
    """Of steps to solve: infinite where one did not solve the task.

    None where its budget was too small to tell, or a seed has several runs.
    """
    if len(one.runs) > 1 or len(other.runs) > 1:
        return None
    first, second = time_to_solve(one.run), time_to_solve(other.run)
    if first is None or second is None:
        return None
    (time, happened), (base, base_happened) = first, second
    if happened and base_happened:
        return time - base
    if happened:
        return -math.inf if base >= time else None
    if base_happened:
        return math.inf if time >= base else None
    return 0.0


def _paired(differences: Sequence[float | None], size: float, level: float) -> Test | None:
    """None without pairs, or where not every pair has numbers. Differences within rounding are equal."""
    found = known(differences)
    if not found or len(found) < len(differences):
        return None
    numbers = [_rounded(value, size) for value in found]
    return Test(
        difference=median(numbers, level),
        p=sign_flip(numbers),
        telling=sum(map(bool, numbers)),
        direction=lean(numbers),
    )


def _rounded(value: float, size: float) -> float:
    """To twelve digits of the size of the values."""
    if value == 0 or math.isinf(value) or size == 0:
        return value
    return round(value, 12 - math.ceil(math.log10(size)))


def _shares(against: Against, pairs: Sequence[Pair], level: float) -> tuple[tuple[int, int, int, int], Test] | None:
    """How many solved the task, and the test; None where that is not known of all, or a seed has several runs."""
    if not (against.arm.single and against.baseline.single):
        return None
    sides = (
        [[solved(pair[side].run) for pair in pairs] for side in (0, 1)]
        if pairs
        else [[solved(run) for run in group.runs] for group in (against.arm, against.baseline)]
    )
    if any(not side or None in side for side in sides):
        return None
    k1, k2 = (sum(map(bool, side)) for side in sides)
    n1, n2 = map(len, sides)
    if not pairs:
        difference, p = rate_difference(k1, n1, k2, n2, level), fisher(k1, n1, k2, n2)
        telling = min(k1 + k2, n1 + n2 - k1 - k2)
    else:
        found = list(zip(*sides, strict=True))
        both, first, second, neither = (found.count((a, b)) for a, b in product((True, False), repeat=2))
        difference, p = paired_rate_difference(both, first, second, neither, level), mcnemar(first, second)
        telling = first + second
    direction = (k1 * n2 > k2 * n1) - (k1 * n2 < k2 * n1)
    return (k1, n1, k2, n2), Test(difference=difference, p=p, telling=telling, direction=direction)


def effects(grouping: Grouping, measure: Measure, level: float) -> list[Effect]:
    """With two factors and an arm for every combination: main effects and interactions, each against the first level.

    They are of the seeds that all arms have. None is stated that a run without a finite number takes part in.
    """
    found = _grid(grouping)
    if found is None or measure.censored:
        return []
    grid, levels = found
    return [one for one in _effects(grouping.factors, grid, levels, measure, level) if one is not None]


def crossed(grouping: Grouping) -> bool:
    """Whether there are two factors, and an arm for every combination."""
    return _grid(grouping) is not None


def _grid(grouping: Grouping) -> tuple[dict[tuple[str, ...], Group], list[list[str]]] | None:
    if len(grouping.factors) != 2:
        return None
    grid = {tuple(repr(group.config.get(key)) for key in grouping.factors): group for group in grouping.groups}
    levels = [list(dict.fromkeys(key[i] for key in grid)) for i in (0, 1)]
    if min(map(len, levels)) < 2 or len(grid) != len(levels[0]) * len(levels[1]):
        return None
    return grid, levels


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
    """``combine`` takes for one seed the differences of the sides."""
    tables = [(one.by_seed(), other.by_seed()) for one, other in sides]
    shared = [unit.seed for unit in sides[0][0].units if all(unit.seed in units for side in tables for units in side)]
    found, size = [], 0.0
    for seed in shared:
        values = [seed_value(units[seed], measure) for side in tables for units in side]
        numbers = known(values)
        if len(numbers) < len(values) or not all(map(math.isfinite, numbers)):
            return None
        size = max(size, *map(abs, numbers))
        found.append(combine([a - b for a, b in zip(numbers[::2], numbers[1::2], strict=True)]))
    test = _paired(found, size, level)
    if test is None:
        return None
    return Effect(name=name, kind="main" if kind == "main" else "interaction", pairs=len(found), value=test)


def corrected(contrasts: Sequence[Contrast], found: Sequence[Effect]) -> tuple[list[Contrast], list[Effect]]:
    """The same with Holm's correction over every test that could have come out either way (Tarone 1990)."""
    tests = [test for one in contrasts for test in (one.solved, one.value)] + [one.value for one in found]
    adjusted = iter(holm([test.p for test in tests if test is not None and test.telling]))

    def correct(test: Test | None) -> Test | None:
        if test is None:
            return None
        return replace(test, holm=next(adjusted) if test.telling else 1.0)

    done = [replace(one, solved=correct(one.solved), value=correct(one.value)) for one in contrasts]
    return done, [replace(one, value=correct(one.value) or one.value) for one in found]
