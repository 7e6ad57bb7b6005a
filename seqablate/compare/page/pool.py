"""Many runs' curves as one: the median with its band, point by point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seqablate.statistics.interval import order_statistic


@dataclass(frozen=True, slots=True)
class Band:
    """The median over runs and an interval around it, for each of K points; NaN where no run has a value.

    Attributes:
        median_K, low_K, high_K: the interval is the exact one of the median from 6 runs on, below that all of them
            lie in it.
        n_K: how many runs have a value.
    """

    median_K: np.ndarray
    low_K: np.ndarray
    high_K: np.ndarray
    n_K: np.ndarray


def band(values_RK: np.ndarray, level: float = 0.95) -> Band:
    """Over the runs R.

    Args:
        values_RK: NaN where a run has no value. Infinite values take part: so does a run that diverged.
        level: of the interval.
    """
    sorted_RK = np.sort(values_RK, axis=0)  # NaN comes last
    n_K = (~np.isnan(values_RK)).sum(0)
    low_K, high_K = (np.full(len(n_K), np.nan) for _ in range(2))
    middle_K = np.full(len(n_K), np.nan)
    for n in np.unique(n_K[n_K > 0]).tolist():
        there = n_K == n
        low, high = _positions(n, level)
        low_K[there], high_K[there] = sorted_RK[low, there], sorted_RK[high, there]
        middle_K[there] = _middle(sorted_RK[(n - 1) // 2, there], sorted_RK[n // 2, there])
    return Band(middle_K, low_K, high_K, n_K)


def rows_of(curves: Sequence[np.ndarray]) -> np.ndarray:
    """Curves of any lengths as [R, K], NaN behind the end of each; a NaN in a curve, an overflow, becomes inf."""
    values_RK = np.full((len(curves), max(map(len, curves))), np.nan)
    for row, curve in zip(values_RK, curves, strict=True):
        row[: len(curve)] = np.where(np.isnan(curve), np.inf, curve)
    return values_RK


def _positions(n: int, level: float) -> tuple[int, int]:
    """Between which of n sorted values the median lies; of fewer than 6 values the first and the last."""
    rank = order_statistic(n, level)
    return (rank - 1, n - rank) if rank else (0, n - 1)


def _middle(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Half-way between; of equal infinities the same."""
    with np.errstate(invalid="ignore"):
        return np.where(low == high, low, low + (high - low) / 2)
