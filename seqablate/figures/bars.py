"""Points with an error bar each: a number of every group of runs, against a setting that the groups differ in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from seqablate.figures.bands import Band, limits
from seqablate.figures.curve import Curve
from seqablate.figures.ends import draw_ends, end_handles, handle
from seqablate.figures.paper import EDGED, LINE, MARK, Words, column, draw_levels, finish
from seqablate.figures.scale import Scale
from seqablate.figures.styles import grey_styles, spread

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

APART = 0.03  # of the axis: the largest distance between the points of two groups that belong to one value
MOST_TICKS = 8
WIDE = 7.0  # the ratio of the ends from which on an axis is logarithmic


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """The horizontal axis of such a picture.

    Args:
        values: where points are, ascending.
        words: each value as text.
    """

    values: Sequence[float]
    words: Sequence[str]

    @property
    def log(self) -> bool:
        """Whether equal ratios are equally far apart."""
        return self.values[0] > 0 and self.values[-1] / self.values[0] > WIDE

    def places(self, x: np.ndarray) -> np.ndarray:
        """How far along the axis: 0 at its first value, 1 at its last."""
        first, last = self.values[0], self.values[-1]
        if first == last:
            return np.zeros(len(x))
        return np.log(x / first) / np.log(last / first) if self.log else (x - first) / (last - first)

    def at(self, places: np.ndarray) -> np.ndarray:
        """The inverse of :meth:`places`."""
        first, last = self.values[0], self.values[-1]
        return first * (last / first) ** places if self.log else first + (last - first) * places


def draw_bars(groups: Sequence[Band], axis: Axis, words: Words, *, scale: Scale, span: Sequence[float] = ()) -> Figure:
    """Draw points with their intervals in one column of a paper; points of several groups stand beside each other.

    Args:
        groups: a label and a look each; ``low`` and ``high`` are NaN where there is no interval.
        axis: the horizontal one.
        words: around the picture.
        scale: the vertical axis.
        span: values that it covers in any case.
    """
    figure, axes = column(words, scale)
    low, high = limits(groups, [*words.levels.values(), *span], scale)
    axes.set_ylim(low, high)
    handles: dict[str, Artist | tuple[Artist, ...]] = {}
    kinds: set[str] = set()
    styles = grey_styles([group.curve.look or spread(number) for number, group in enumerate(groups)])
    step = min(APART, 0.3 / max(1, len(axis.values) - 1) / len(groups))
    for number, (group, style) in enumerate(zip(groups, styles, strict=True)):
        moved = _moved(group, axis, step * (number - (len(groups) - 1) / 2))
        handles[group.curve.label] = _draw_group(axes, moved, style, scale)
        kinds |= draw_ends(axes, moved.curve, style["color"], (low, high), scale, 1.4 * MARK)
    handles |= end_handles(kinds, 1.3 * MARK, words.ends)
    _draw_ticks(axes, axis)
    draw_levels(axes, words.levels, scale)
    finish(figure, handles, words.note)
    return figure


def _moved(group: Band, axis: Axis, distance: float) -> Band:
    """The group, all of its points moved along the axis."""
    x = axis.at(axis.places(np.asarray(group.curve.x, dtype=float)) + distance)
    return Band(Curve(group.curve.label, group.curve.y, x, group.curve.look), group.low, group.high)


def _draw_group(axes: Axes, group: Band, style: dict[str, Any], scale: Scale) -> Artist:
    """Its bars, its points and the lines between them."""
    x, y = group.curve.points(scale)
    bottom, top = axes.get_ylim()
    low, high = (np.clip(border, bottom, top) for border in (group.low, group.high))
    axes.vlines(x, low, high, color=style["color"], linewidth=0.9)
    marks: dict[str, Any] = {"linewidth": 0.75 * LINE, "markersize": 1.2 * MARK, **EDGED, **style}
    axes.plot(x, y, **marks)
    return handle(**marks)


def _draw_ticks(axes: Axes, axis: Axis) -> None:
    """A tick at the values themselves, or at every second, third, ... of them."""
    every = -(-len(axis.values) // MOST_TICKS)
    axes.set_xscale("log" if axis.log else "linear")
    axes.set_xticks(axis.values[::every], labels=axis.words[::every])
    axes.minorticks_off()
    left, right = axis.at(np.array([-0.06, 1.06]))
    axes.set_xlim(left, right if right > left else left + 1)
