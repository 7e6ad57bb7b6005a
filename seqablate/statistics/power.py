"""How often a study of a given size comes to a decision, if the truth is as assumed.

The functions do not know the rule by which a study decides: they are given it, and try it on what the study may see.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

NEGLIGIBLE = 1e-10  # probability of one table of counts; of 100 pairs there are 176,851 tables
REPEATS = 20_000  # simulated studies: the standard error of a share is 0.0036 at most

Shares = tuple[float, float, float, float]
Table = tuple[int, int, int, int]


def rates(n1: int, p1: float, n2: int, p2: float, decide: Callable[[int, int], bool]) -> float:
    """The probability of a decision from two independent rates, by enumeration of what the arms may solve.

    Args:
        n1, n2: runs of each arm.
        p1, p2: true rates.
        decide: of the number of successes of each, whether the study decides.

    Example:
        >>> from seqablate.statistics.tests import fisher
        >>> round(rates(5, 1.0, 5, 0.0, lambda k1, k2: fisher(k1, 5, k2, 5) <= 0.05), 6)
        1.0
    """
    tables = ((k1, k2) for k1 in range(n1 + 1) for k2 in range(n2 + 1))
    likely = ((table, _binomial(table[0], n1, p1) * _binomial(table[1], n2, p2)) for table in tables)
    return math.fsum(chance for table, chance in likely if chance > NEGLIGIBLE and decide(*table))


def paired_rates(n: int, shares: Shares, decide: Callable[[int, int, int, int], bool]) -> float:
    """The probability of a decision from n pairs of runs, by enumeration of all tables of counts.

    Args:
        n: pairs.
        shares: the true shares of pairs in which both succeed, the first alone, the second alone, neither; such as
            :func:`unrelated` gives.
        decide: of the four counts, in this order, whether the study decides.
    """
    likely = ((table, _chance(table, shares)) for table in _tables(n))
    return math.fsum(chance for table, chance in likely if chance > NEGLIGIBLE and decide(*table))


def unrelated(first: float, second: float) -> Shares:
    """The four shares of pairs in which the outcome of one run says nothing of the other's.

    Example:
        >>> unrelated(0.5, 1.0)
        (0.5, 0.0, 0.5, 0.0)
    """
    return first * second, first * (1 - second), (1 - first) * second, (1 - first) * (1 - second)


def paired_differences(
    n: int,
    draw: Callable[[np.random.Generator, int], np.ndarray],
    decide: Callable[[np.ndarray], bool],
    repeats: int = REPEATS,
    seed: int = 0,
) -> float:
    """The share of simulated studies that decide, from n paired differences each.

    Args:
        n: pairs.
        draw: of a generator and n, that many differences [n] of the assumed truth.
        decide: of them, whether the study decides.
        repeats: studies; with 20,000 the share is right to 0.01 (2.8 standard errors).
        seed: of the generator.
    """
    rng = np.random.default_rng(seed)
    return sum(decide(draw(rng, n)) for _ in range(repeats)) / repeats


def _tables(n: int) -> Iterator[Table]:
    """Every (both, first, second, neither) of n pairs."""
    for both in range(n + 1):
        for first in range(n + 1 - both):
            for second in range(n + 1 - both - first):
                yield both, first, second, n - both - first - second


def _binomial(k: int, n: int, share: float) -> float:
    return _chance((k, n - k), (share, 1 - share))


def _chance(counts: tuple[int, ...], shares: tuple[float, ...]) -> float:
    """Of these counts, if each run or pair is of one kind with its share (multinomial)."""
    seen = [(count, share) for count, share in zip(counts, shares, strict=True) if count]
    if any(share <= 0 for _, share in seen):
        return 0.0
    logs = (count * math.log(share) - math.lgamma(count + 1) for count, share in seen)
    return math.exp(math.lgamma(sum(counts) + 1) + math.fsum(logs))
