"""One curve for the seeds of an arm: the median, in which a gradient of 0 is a value like any other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def median_over_seeds(curves: Sequence[np.ndarray]) -> np.ndarray:
    """The median of curves [K] of any lengths, point by point, over those that are long enough.

    A seed whose gradient has vanished counts as 0, one whose gradient has overflowed as inf, and NaN, which only an
    overflow leads to, as larger than any number. So no seed is ever left out for having died, and the median of curves
    that fall is a curve that falls.
    """
    found = np.full(max(map(len, curves)), np.nan)
    for k in range(len(found)):
        values = np.sort([curve[k] for curve in curves if k < len(curve)])  # NaN comes last
        low, high = values[(len(values) - 1) // 2], values[len(values) // 2]
        found[k] = low if low == high else low + (high - low) / 2
    return found


def seeds_at(curves: Sequence[np.ndarray]) -> np.ndarray:
    """How many of the curves reach each point [K]."""
    lengths = np.array([len(curve) for curve in curves])
    reached: np.ndarray = (lengths[:, None] > np.arange(lengths.max())).sum(0)
    return reached
