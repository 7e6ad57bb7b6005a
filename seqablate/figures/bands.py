"""Curves with a band around each: the pooled curve of a group of runs, and where the groups' runs were lost."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from seqablate.figures.curve import Curve
from seqablate.figures.ends import draw_ends, end_handles, handle
from seqablate.figures.paper import EDGED, LINE, MARK, Words, column, draw_levels, finish
from seqablate.figures.scale import LOG, Scale
from seqablate.figures.styles import grey_styles, spread

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKS_ALONG = 6  # of a curve, so that it is known in black and white
SHADE = 0.18  # of a band: how much of it hides what is behind
FLOOR = "float32"
CROSS: dict[str, Any] = {"linestyle": "none", "marker": "x", "markersize": MARK, "markeredgewidth": 0.9}


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """A curve of N points with a band.

    Args:
        curve: in the middle; its label and its look are those of the group.
        low, high: [N] the band's borders: NaN where there is none; 0 and inf reach to the edge of the picture.
        lost: curves of single runs that ended in a loss that is not finite: thin, with a cross at the last point.
    """

    curve: Curve
    low: np.ndarray
    high: np.ndarray
    lost: Sequence[Curve] = ()


def draw_bands(
    bands: Sequence[Band], words: Words, *, scale: Scale = LOG, lost: str = "", roof: float = math.inf
) -> Figure:
    """Draw curves with their bands in one column of a paper.

    The vertical axis covers every curve and every level; a band that is much wider than that leaves the picture.

    Args:
        bands: of any lengths.
        words: around the picture.
        scale: the vertical axis; a line marks its floor where a curve comes near.
        lost: what a cross means, in the legend.
        roof: larger values leave the picture as well.
    """
    figure, axes = column(words, scale)
    low, high = limits(bands, words.levels.values(), scale, roof)
    axes.set_ylim(low, high)
    handles: dict[str, Artist | tuple[Artist, ...]] = {}
    kinds: set[str] = set()
    styles = grey_styles([band.curve.look or spread(number) for number, band in enumerate(bands)])
    for number, (band, style) in enumerate(zip(bands, styles, strict=True)):
        handles[band.curve.label] = _draw_band(axes, band, style, scale, number / len(bands))
        kinds |= draw_ends(axes, band.curve, style["color"], (low, high), scale, 1.4 * MARK)
        for curve in band.lost:
            _draw_lost(axes, curve, style["color"], scale)
    handles |= end_handles(kinds, 1.3 * MARK, words.ends)
    axes.margins(x=0.02)
    axes.locator_params(axis="x", integer=True, nbins=6)
    draw_levels(axes, {**words.levels, **_floor(low, scale)}, scale)
    if any(band.lost for band in bands):
        handles[lost] = handle(**CROSS)
    finish(figure, handles, words.note)
    return figure


def _floor(low: float, scale: Scale) -> dict[str, float]:
    """The level of the scale's floor, where the picture comes within a decade of it."""
    near = scale.floor_height is not None and low < scale.value(scale.floor_height + 1)
    return {FLOOR: scale.floor} if near and scale.floor else {}


def limits(bands: Sequence[Band], levels: Iterable[float], scale: Scale, roof: float = math.inf) -> tuple[float, float]:
    """The lowest and the highest value on the vertical axis."""
    curves = [band.curve.points(scale)[1] for band in bands]
    bottom, top = scale.span(np.minimum(_shown([*curves, np.array(list(levels), dtype=float)], scale), roof))
    around = np.minimum(_shown([values for band in bands for values in (band.low, band.high)], scale), roof)
    beyond = np.clip(scale.heights(around), bottom - (top - bottom), top + (top - bottom))
    bottom, top = min([bottom, *beyond]), max([top, *beyond])
    margin = 0.05 * (top - bottom)
    return scale.value(bottom - margin), scale.value(top + margin)


def _shown(parts: Sequence[np.ndarray], scale: Scale) -> np.ndarray:
    """All values that have a height."""
    values = np.concatenate([np.empty(0), *parts])
    shown: np.ndarray = values[scale.shows(values)]
    return shown


def _draw_band(axes: Axes, band: Band, style: dict[str, Any], scale: Scale, phase: float) -> tuple[Artist, ...]:
    """The band and the line, with marks that begin at another point for each ``phase`` from 0 to 1."""
    from matplotlib.patches import Patch

    x, y = band.curve.points(scale)
    low, high = axes.get_ylim()
    inside = (np.clip(border, low, high) for border in (band.low, band.high))
    axes.fill_between(x, *inside, color=style["color"], alpha=SHADE, linewidth=0, zorder=1)
    every = max(1, len(y) // MARKS_ALONG)
    marks: dict[str, Any] = {"linewidth": LINE, "markersize": MARK, **EDGED, **style}
    axes.plot(x, y, markevery=(int(phase * every), every), **marks)
    return Patch(color=style["color"], alpha=SHADE, linewidth=0), handle(**marks)


def _draw_lost(axes: Axes, curve: Curve, color: str, scale: Scale) -> None:
    """A thin line, and a cross at its last point: at an edge of the axes where it lies beyond, as inf and 0 do."""
    x, y = curve.points(scale)
    low, high = axes.get_ylim()
    line = np.where(np.isfinite(y), y, np.where(curve.y <= 0, low, high))
    axes.plot(x, line, color=color, linewidth=0.6, linestyle=(0, (1, 1)), zorder=1.5)
    axes.plot(x[-1:], np.clip(line[-1:], low, high), color=color, clip_on=False, zorder=3, **CROSS)
