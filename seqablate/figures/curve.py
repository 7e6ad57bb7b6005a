"""A curve: what is drawn of it, and where it runs into what cannot be drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from seqablate.figures.scale import LOG, Scale
from seqablate.figures.styles import Look

# What a curve may run into, in words.
ENDS = {"zero": "0 (below float range)", "overflow": "overflow (inf)", "nan": "NaN", "negative": "-inf"}


@dataclass(frozen=True, slots=True)
class End:
    """Where a curve runs into values that an axis cannot show.

    Attributes:
        kind: ``"zero"``, ``"overflow"``, ``"nan"`` or ``"negative"`` (infinity).
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

    def points(self, scale: Scale = LOG) -> tuple[np.ndarray, np.ndarray]:
        """x and y, with NaN for every value that the axis cannot show."""
        x = np.arange(len(self.y)) if self.x is None else np.asarray(self.x)
        return x, np.where(scale.shows(self.y), self.y, np.nan)

    def ends(self, scale: Scale = LOG) -> Iterator[End]:
        """Every border between points that are drawn and values that cannot be; one for a curve without points."""
        x, drawn = self.points(scale)
        found = [np.isfinite(drawn), np.isnan(self.y), np.isposinf(self.y), np.isneginf(self.y)]
        kinds = np.select(found, ["", "nan", "overflow", "negative"], "zero")
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


def span(curves: Sequence[Curve], scale: Scale) -> tuple[float, float]:
    """The least and the greatest height of what is drawn of several curves."""
    drawn = np.concatenate([*(curve.points(scale)[1] for curve in curves), np.empty(0)])
    return scale.span(drawn[np.isfinite(drawn)])
