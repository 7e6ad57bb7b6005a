"""The vertical axis of curves: what of them can be drawn on it, and at which height."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

LEAST_DECADES = 2  # of a logarithmic axis, so that noise on a flat curve looks like noise
FLOOR_DECADES = 4  # how far a picture goes below the floor; smaller values are shown as 0


@dataclass(frozen=True, slots=True)
class Scale:
    """A logarithmic axis, or a linear one. Heights are log10 of values, or the values themselves.

    Args:
        log: only values above 0 have a height.
        floor: of a logarithmic axis: smaller norms are inexact, and far below it they are shown as 0. None: there is
            no such floor.
    """

    log: bool = True
    floor: float | None = None

    def shows(self, values: np.ndarray) -> np.ndarray:
        """Which values have a height."""
        if not self.log:
            return np.isfinite(values)
        least = 0.0 if self.floor is None else self.floor * 10.0**-FLOOR_DECADES
        return np.isfinite(values) & (values > least)

    def heights(self, values: np.ndarray) -> np.ndarray:
        """Of values that have one."""
        return np.log10(values) if self.log else values

    def value(self, height: float) -> float:
        """The inverse, of one."""
        return float(10.0**height) if self.log else height

    def span(self, values: np.ndarray) -> tuple[float, float]:
        """The least and the greatest height, at least two decades apart, or not equal; without any, 1 from 0."""
        if not len(values):
            return -1.0, 1.0
        heights = self.heights(values)
        low, high = float(heights.min()), float(heights.max())
        apart = LEAST_DECADES if self.log else 0.02 * max(abs(low), abs(high)) or 1.0
        short = max(0.0, apart - (high - low))
        return low - short / 2, high + short / 2

    @property
    def floor_height(self) -> float | None:
        """Where the floor is, if there is one."""
        return math.log10(self.floor) if self.log and self.floor is not None else None

    @property
    def floor_words(self) -> str:
        """The legend's entry for the line at the floor."""
        return f"floor of float32 ({self.floor:.0e}): smaller norms are inexact"


LOG = Scale()
