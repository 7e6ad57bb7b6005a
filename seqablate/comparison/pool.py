"""One curve for the seeds of an arm: the median, in which a gradient of 0 is a value like any other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seqablate.statistics.interval import order_statistic


@dataclass(frozen=True, slots=True)
class Pooled:
    """The median over runs and an interval around it, for each of K points; NaN where no run has a value.

    Attributes:
        median_K, low_K, high_K: the exact interval of the median (order statistics) where it can be stated, from 6 runs
            on at 95 %; else from the smallest value to the largest.
        n_K: how many runs have a value.
    """

    median_K: np.ndarray
    low_K: np.ndarray
    high_K: np.ndarray
    n_K: np.ndarray


def pool(values_RK: np.ndarray, level: float = 0.95) -> Pooled:
    """Pool R runs, point by point.

    Args:
        values_RK: NaN where a run has no value. Infinite values take part: so does a run that diverged.
        level: of the interval.
    """
    sorted_RK = np.sort(values_RK, axis=0)  # NaN comes last
    n_K = (~np.isnan(values_RK)).sum(0)
    median_K, low_K, high_K = (np.full(len(n_K), np.nan) for _ in range(3))
    for n in np.unique(n_K[n_K > 0]).tolist():
        there, rank = n_K == n, order_statistic(n, level) or 1
        low_K[there], high_K[there] = sorted_RK[rank - 1, there], sorted_RK[n - rank, there]
        median_K[there] = _middle(sorted_RK[(n - 1) // 2, there], sorted_RK[n // 2, there])
    return Pooled(median_K, low_K, high_K, n_K)


def _middle(low_K: np.ndarray, high_K: np.ndarray) -> np.ndarray:
    """Half-way between; infinite where one of them is, and NaN between both infinities."""
    with np.errstate(invalid="ignore"):
        return np.where(low_K == high_K, low_K, low_K / 2 + high_K / 2)


def rows_of(curves: Sequence[np.ndarray]) -> np.ndarray:
    """Curves of any lengths as [R, K], with NaN behind the end of each.

    NaN in a curve, which only an overflow leads to, becomes inf.
    """
    values_RK = np.full((len(curves), max(map(len, curves))), np.nan)
    for row_K, curve in zip(values_RK, curves, strict=True):
        row_K[: len(curve)] = np.where(np.isnan(curve), np.inf, curve)
    return values_RK
