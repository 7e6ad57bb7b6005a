"""Time to solve, where some runs end before they have solved: the curve of what is unsolved, and its median.

A time is right-censored when the run ended without having solved: its time to solve is larger than what was seen. The
mean of the runs that solved would leave those out which take longest.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from seqablate.statistics.interval import Interval, median


@dataclass(frozen=True, slots=True)
class Survival:
    """A curve of steps: ``shares[i]`` holds from ``times[i]`` up to the next time.

    Attributes:
        times: 0 and every finite time at which a run solved or ended, ascending.
        shares: of all runs, the share that has not solved by then.
    """

    times: list[float]
    shares: list[float]


def survival(times: Sequence[float], happened: Sequence[bool]) -> Survival:
    """The share that has not solved yet (Kaplan & Meier 1958, eq. 2b), from time 0 on.

    Args:
        times: [n], not negative: when a run solved, or else when it ended. A run that diverged never solves: ``inf``.
        happened: [n], whether it solved. A run that ends at the time at which another solves could still have solved.

    Raises:
        ValueError: the lengths differ, a time is negative or NaN, or a run solved at ``inf``.

    Example:
        >>> survival([3, 5, 5], [True, True, False])
        Survival(times=[0.0, 3.0, 5.0], shares=[1.0, 0.6666666666666666, 0.3333333333333333])
    """
    steps = _steps(times, happened)
    return Survival([time for time, _ in steps], [float(share) for _, share in steps])


def _steps(times: Sequence[float], happened: Sequence[bool]) -> list[tuple[float, Fraction]]:
    """(time, share) in exact fractions: a share that is one half has to be recognised as that."""
    _check(times, happened)
    ended = Counter(float(time) for time in times)
    solved = Counter(float(time) for time, did in zip(times, happened, strict=True) if did)
    share, open_runs, steps = Fraction(1), len(times), []
    for time in sorted({0.0, *ended} - {math.inf}):
        if solved[time]:
            share *= Fraction(open_runs - solved[time], open_runs)
        open_runs -= ended[time]
        steps.append((time, share))
    return steps


def _check(times: Sequence[float], happened: Sequence[bool]) -> None:
    if len(times) != len(happened):
        raise ValueError(f"{len(times)} times and {len(happened)} outcomes")
    if not all(time >= 0 for time in times):
        raise ValueError("a time is negative or NaN")
    if any(did and math.isinf(time) for time, did in zip(times, happened, strict=True)):
        raise ValueError("a run that solved has a time of inf")


def median_time(times: Sequence[float], happened: Sequence[bool], level: float = 0.95) -> Interval:
    """The time by which half of all runs have solved.

    The estimate is the first time at which no more than half are unsolved (Kaplan & Meier 1958); ``inf`` if that was
    not seen. The bounds are order statistics, as of :func:`median`: the lower one counts a censored run as if it had
    solved when it ended, the upper one as if it never solved. So they hold whatever made a run end.

    Args:
        times, happened: as :func:`survival` takes them.

    Raises:
        ValueError: as :func:`survival`, and not ``0 < level < 1``.
    """
    steps = _steps(times, happened)
    if not times:
        return Interval(None, None, None, 0, level)
    reached = next((time for time, share in steps if share <= Fraction(1, 2)), math.inf)
    low = median(times, level).low
    high = median([time if did else math.inf for time, did in zip(times, happened, strict=True)], level).high
    return Interval(reached, low, high, len(times), level)
