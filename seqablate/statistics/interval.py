"""Intervals of what a table prints: a rate, a median, and the difference of two rates.

Each is valid at the sizes that an ablation has (some 10 to 30 runs an arm). README.md says why these were chosen, and
how often each contains the true value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, count
from statistics import NormalDist


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and the values that are compatible with the data.

    Attributes:
        estimate: None without data.
        low, high: the bounds; None where the data are too few to state them (a median of fewer than 6 values).
        n: how many values, runs or pairs it comes from.
        level: the share of such intervals that contain the true value, at least about.
    """

    estimate: float | None
    low: float | None
    high: float | None
    n: int
    level: float = 0.95


def rate(k: int, n: int, level: float = 0.95) -> Interval:
    """The share of successes, with the score interval (Wilson 1927).

    Args:
        k: successes.
        n: trials.

    Raises:
        ValueError: unless ``0 <= k <= n`` and ``0 < level < 1``.

    Example:
        >>> five = rate(5, 5)
        >>> round(five.low, 2), five.high
        (0.57, 1.0)
    """
    if not 0 <= k <= n:
        raise ValueError(f"{k} successes of {n} trials")
    return Interval(k / n, *_wilson(k, n, level), n, level) if n else Interval(None, None, None, 0, level)


def _wilson(k: int, n: int, level: float) -> tuple[float, float]:
    """The rates p with ``|k - n p| <= z sqrt(n p (1 - p))``."""
    z = _z(level)
    centre = (k + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * math.sqrt(k * (n - k) / n + z * z / 4)
    return (0.0 if k == 0 else centre - half), (1.0 if k == n else centre + half)


@cache
def _z(level: float) -> float:
    """The normal quantile that leaves half of ``1 - level`` above it."""
    return NormalDist().inv_cdf((1 + _checked(level)) / 2)


def _checked(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"level {level!r} is not between 0 and 1")
    return level


def median(values: Sequence[float], level: float = 0.95) -> Interval:
    """The sample median, with the exact interval between two order statistics (Conover 1999, section 3.2).

    It contains the median of any continuous distribution with at least this probability, and needs no assumption on
    its shape. With fewer than 6 values even the smallest and the largest do not reach 95 %, and there are no bounds.

    Args:
        values: [n], in any order; ``inf`` for a run that diverged is a value like others. Where the two middle values
            are ``-inf`` and ``inf``, there is no estimate.

    Raises:
        ValueError: a value is NaN, or not ``0 < level < 1``.
    """
    ordered = sorted(values)
    if any(math.isnan(value) for value in ordered):
        raise ValueError("no median of values with NaN among them")
    n, rank = len(ordered), order_statistic(len(ordered), level)
    low, high = (ordered[rank - 1], ordered[n - rank]) if rank else (None, None)
    return Interval(_middle(ordered), low, high, n, level)


def _middle(ordered: Sequence[float]) -> float | None:
    if not ordered:
        return None
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return low if low == high else None if math.isinf(low) and math.isinf(high) else low / 2 + high / 2


@cache
def fewest(level: float) -> int:
    """From how many values on the median has an exact interval: 6 at 95 %."""
    return next(n for n in count(1) if order_statistic(n, level))


def order_statistic(n: int, level: float = 0.95) -> int:
    """The rank r, from 1, so that the r-th smallest and the r-th largest of n values bound the median; 0 if none do.

    The true median lies below the r-th smallest value when fewer than r of n tosses of a fair coin come up heads. r is
    the largest rank for which that has a probability of less than half of ``1 - level``.
    """
    tail = (1 - _checked(level)) / 2
    ways = accumulate(math.comb(n, heads) for heads in range(n))
    return next((r for r, fewer in enumerate(ways) if fewer / (1 << n) >= tail), 0)


def at_most(k: int, n: int) -> float:
    """The probability of at most k heads in n tosses of a fair coin, to the last digit.

    Example:
        >>> at_most(1, 3)
        0.5
    """
    return sum(math.comb(n, heads) for heads in range(k + 1)) / (1 << n)


def rate_difference(k1: int, n1: int, k2: int, n2: int, level: float = 0.95) -> Interval:
    """The first rate minus the second, of independent runs (Newcombe 1998, Statistics in Medicine 17:873, method 10).

    The distances from each rate to its score interval are added as squares.

    Raises:
        ValueError: as :func:`rate`.
    """
    return _difference(rate(k1, n1, level), rate(k2, n2, level), 0.0, n1 + n2)


def paired_rate_difference(both: int, first: int, second: int, neither: int, level: float = 0.95) -> Interval:
    """The first rate minus the second, of pairs (Newcombe 1998, Statistics in Medicine 17:2635, method 10).

    As :func:`rate_difference`, and the correlation within a pair enters where the squares are added.

    Args:
        both: pairs in which both succeed.
        first: pairs in which the first alone succeeds.
        second: pairs in which the second alone succeeds.
        neither: pairs in which none succeeds.

    Raises:
        ValueError: a count is negative, or not ``0 < level < 1``.
    """
    if min(both, first, second, neither) < 0:
        raise ValueError(f"a negative count of pairs: {both}, {first}, {second}, {neither}")
    n = both + first + second + neither
    one, other = rate(both + first, n, level), rate(both + second, n, level)
    return _difference(one, other, _correlation(both, first, second, neither), n)


def _correlation(both: int, first: int, second: int, neither: int) -> float:
    """Newcombe's phi: a positive covariance is reduced by half a pair, and is no less than 0 then."""
    margins = (both + first) * (second + neither) * (both + second) * (first + neither)
    covariance = float(both * neither - first * second)
    if covariance > 0:
        covariance = max(covariance - (both + first + second + neither) / 2, 0.0)
    return covariance / math.sqrt(margins) if margins else 0.0


def _difference(one: Interval, other: Interval, correlation: float, n: int) -> Interval:
    """``one`` minus ``other``, of two rates with their score intervals."""
    p1, low1, high1 = one.estimate, one.low, one.high
    p2, low2, high2 = other.estimate, other.low, other.high
    if p1 is None or low1 is None or high1 is None or p2 is None or low2 is None or high2 is None:
        return Interval(None, None, None, n, one.level)
    low = p1 - p2 - _added(p1 - low1, high2 - p2, correlation)
    high = p1 - p2 + _added(high1 - p1, p2 - low2, correlation)
    return Interval(p1 - p2, max(low, -1.0), min(high, 1.0), n, one.level)


def _added(one: float, other: float, correlation: float) -> float:
    return math.sqrt(one * one - 2 * correlation * one * other + other * other)
