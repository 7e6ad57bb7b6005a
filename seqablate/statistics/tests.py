"""Exact tests of no difference between two arms: a true "no difference" is rejected no more often than p says."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from seqablate.statistics.interval import at_most


def sign_flip(differences: Sequence[float]) -> float:
    """Two-sided p of paired differences: every assignment of signs to their ranks (Wilcoxon 1945; zeros: Pratt 1959).

    If two arms do not differ, each difference is as likely to have the other sign. p is the share of all 2^n
    assignments whose sum of signed ranks is as far from 0 as the one seen. Ranks and not the differences themselves
    are added, so that a pair with a diverged run counts as the largest difference and not as all of them.

    Args:
        differences: [n], in any order. Equal sizes share their mean rank; ``inf`` and ``-inf`` have the largest size;
            a zero takes the smallest rank and no sign. With fewer than 6 that are not 0, p is never below 0.05.

    Raises:
        ValueError: a difference is NaN.
    """
    signed = _signed_ranks(differences)
    unit = math.gcd(*signed)  # in units of which the sums are smaller, and their distribution shorter
    ranks = tuple(sorted(abs(rank) // unit for rank in signed))
    return min(1.0, float(_tail(ranks)[abs(sum(signed)) // max(unit, 1)]))


def lean(differences: Sequence[float]) -> int:
    """The side to which :func:`sign_flip` leans: the sign of the sum of signed ranks, 1, -1 or 0."""
    total = sum(_signed_ranks(differences))
    return (total > 0) - (total < 0)


def _signed_ranks(differences: Sequence[float]) -> list[int]:
    """Twice the rank of every difference that is not 0, with its sign (ValueError if one is NaN)."""
    if any(math.isnan(difference) for difference in differences):
        raise ValueError("no test of differences with NaN among them")
    sizes = sorted(abs(difference) for difference in differences)
    return [_doubled_rank(abs(d), sizes) * (1 if d > 0 else -1) for d in differences if d]


def _doubled_rank(size: float, ordered: Sequence[float]) -> int:
    """Twice the mean rank among ``ordered``, which is a whole number."""
    return bisect_left(ordered, size) + bisect_right(ordered, size) + 1


@lru_cache(maxsize=256)
def _tail(ranks: tuple[int, ...]) -> np.ndarray:
    """For s from 0 to the sum of ranks: the probability that the sum of signed ranks is s or more in size."""
    total = sum(ranks)
    chance_W, largest = np.zeros(total + 1), 0  # of W, the sum of the ranks with a plus
    chance_W[0] = 1
    for rank in ranks:
        largest += rank
        chance_W[rank : largest + 1] += chance_W[: largest + 1 - rank].copy()
        chance_W[: largest + 1] *= 0.5
    chance_S = np.zeros(total + 1)
    np.add.at(chance_S, np.abs(2 * np.arange(total + 1) - total), chance_W)
    return np.cumsum(chance_S[::-1])[::-1]


def mcnemar(first: int, second: int) -> float:
    """Two-sided p of paired successes (McNemar 1947; exact: a fair coin for every pair that differs).

    Args:
        first: pairs in which the first alone succeeds.
        second: pairs in which the second alone succeeds.

    Raises:
        ValueError: a count is negative.
    """
    if min(first, second) < 0:
        raise ValueError(f"a negative count of pairs: {first}, {second}")
    return min(1.0, 2 * at_most(min(first, second), first + second))


def fisher(k1: int, n1: int, k2: int, n2: int) -> float:
    """Two-sided p of two independent rates, k1 of n1 against k2 of n2 (Fisher 1935).

    Raises:
        ValueError: unless ``0 <= k <= n`` for both.
    """
    from scipy.stats import fisher_exact

    if not (0 <= k1 <= n1 and 0 <= k2 <= n2):
        raise ValueError(f"{k1} successes of {n1} trials, {k2} of {n2}")
    return float(fisher_exact([[k1, n1 - k1], [k2, n2 - k2]]).pvalue)


def holm(ps: Sequence[float]) -> list[float]:
    """The p of several tests, adjusted so that all of them together err with the stated probability (Holm 1979).

    Returns:
        One for each, in the order of ``ps``.

    Raises:
        ValueError: a p is not between 0 and 1.
    """
    if not all(0 <= p <= 1 for p in ps):
        raise ValueError(f"p-values are between 0 and 1, not {list(ps)}")
    adjusted, least = [math.nan] * len(ps), 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        least = max(least, min(1.0, (len(ps) - rank) * ps[index]))
        adjusted[index] = least
    return adjusted
