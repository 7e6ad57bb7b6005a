"""A curve of norms for a logarithmic axis: what is drawn of it, and where it runs into what cannot be drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from seqablate.figures.styles import Look

LEAST_DECADES = 2  # of the vertical axis, so that noise on a flat curve looks like noise
FLOOR_DECADES = 4  # how far a picture goes below the floor; smaller values are shown as 0
# What a curve may run into, in words.
ENDS = {"zero": "0 (below float range)", "overflow": "overflow (inf)", "nan": "NaN"}


@dataclass(frozen=True, slots=True)
class End:
    """Where a curve runs into values that a logarithmic axis cannot show.

    Attributes:
        kind: ``"zero"``, ``"overflow"`` or ``"nan"``.
        x: the first of these values, seen from the part of the curve that is drawn.
        beside: index of the drawn point next to it; None if there is none.
    """

    kind: str
    x: float
    beside: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One line: ``y`` [N] against ``x`` [N] (0, 1, ... when left out).

    Zero, inf and NaN are values that were measured, and are marked. What was not measured does not belong in ``y``.

    Args:
        label: in the legend.
        look: which value of each setting the curve has (see :func:`seqablate.figures.styles.styles`); when left out,
            the curves are told apart by their order.
    """

    label: str
    y: np.ndarray
    x: np.ndarray | None = None
    look: Look | None = None

    def points(self, least: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """x and y, with NaN for every value that is not finite or not above ``least``."""
        x = np.arange(len(self.y)) if self.x is None else np.asarray(self.x)
        drawable = np.isfinite(self.y) & (self.y > least)
        return x, np.where(drawable, self.y, np.nan)

    def ends(self, least: float = 0.0) -> Iterator[End]:
        """Every border between points that are drawn and values that cannot be; one for a curve without points."""
        x, drawn = self.points(least)
        kinds = np.select([np.isfinite(drawn), np.isnan(self.y), np.isposinf(self.y)], ["", "nan", "overflow"], "zero")
        for first, last in _stretches(kinds):
            before = first > 0 and not kinds[first - 1]
            after = last < len(kinds) - 1 and not kinds[last + 1]
            if kinds[first] and (before or not after):
                yield End(str(kinds[first]), float(x[first]), first - 1 if before else None)
            if kinds[first] and after:
                yield End(str(kinds[first]), float(x[last]), last + 1)


def _stretches(kinds: np.ndarray) -> Iterator[tuple[int, int]]:
    """First and last index of every stretch of equal values."""
    borders = np.flatnonzero(kinds[1:] != kinds[:-1]) + 1
    for part in np.split(np.arange(len(kinds)), borders):
        if len(part):
            yield int(part[0]), int(part[-1])


def log_range(curves: Sequence[Curve], floor: float | None) -> tuple[float, float] | None:
    """log10 of the smallest and of the largest value to be drawn, two decades apart or more; None without any."""
    values = [y[np.isfinite(y)] for _, y in (curve.points(least_drawn(floor)) for curve in curves)]
    every = np.log10(np.concatenate([*values, np.empty(0)]))
    if not len(every):
        return None
    low, high = float(every.min()), float(every.max())
    short = max(0.0, LEAST_DECADES - (high - low))
    return low - short / 2, high + short / 2


def least_drawn(floor: float | None) -> float:
    """Values that are not above this one are shown as 0 in a picture with such a floor."""
    return 0.0 if floor is None else floor * 10.0**-FLOOR_DECADES


def floor_words(floor: float) -> str:
    """The legend's entry for the line at the floor."""
    return f"floor of float32 ({floor:.0e}): smaller norms are inexact"
