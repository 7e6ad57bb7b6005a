"""A figure for one column of a paper: 3.3 inches wide, words of 7 points, the legend above and an explanation below."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seqablate.figures.curves import blank
from seqablate.figures.scale import Scale
from seqablate.figures.words import plain, wrapped

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 3.3, 2.1  # inches; the height without legend and explanation
DOTS = 300  # per inch, of a PNG file
WORDS, SMALL = 7, 6  # points
CHARACTERS, SMALL_CHARACTERS = 58, 72  # of these in a line
HANDLE = 8  # characters: room of a legend's entry besides its words
LINE, MARK = 1.3, 4.0  # points
EDGED: dict[str, Any] = {"markeredgecolor": "white", "markeredgewidth": 0.4}
CLOSE = 0.07  # of the axis: two names at its end overlap
EDGE = 0.01  # of the width, left of legend and explanation
GAP = 0.06  # inches, between the axes and the explanation
LEGEND_LOOK: dict[str, Any] = {
    "loc": "upper left", "bbox_to_anchor": (EDGE, 1), "borderaxespad": 0, "borderpad": 0.4, "fontsize": WORDS,
    "frameon": False, "handlelength": 2.8, "columnspacing": 1.2, "labelspacing": 0.35,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What stands around a picture.

    Attributes:
        xlabel, ylabel: at its axes.
        note: below it: what the reader has to know of how it was made.
        levels: lines across the picture, such as chance and goal, by their names.
        ends: what the marks at the end of a curve mean, by kind; see :data:`seqablate.figures.curve.ENDS`.
    """

    xlabel: str
    ylabel: str
    note: str
    levels: Mapping[str, float]
    ends: Mapping[str, str]


def column(words: Words, scale: Scale) -> tuple[Figure, Axes]:
    """An empty figure of that width, its labels and its vertical axis."""
    figure, axes = blank(width=WIDTH, height=HEIGHT, dpi=DOTS)
    axes.set_yscale("log" if scale.log else "linear")
    axes.minorticks_off()
    axes.tick_params(labelsize=WORDS, width=0.6, length=2.5, pad=2)
    axes.grid(True, which="major", alpha=0.25, linewidth=0.4)
    for spine in axes.spines.values():
        spine.set_linewidth(0.6)
    axes.set_xlabel(words.xlabel, fontsize=WORDS, labelpad=2)
    axes.set_ylabel(wrapped(words.ylabel, CHARACTERS * 2 // 3), fontsize=WORDS, labelpad=2)
    plain(axes.xaxis.label, axes.yaxis.label)
    return figure, axes


def draw_levels(axes: Axes, levels: Mapping[str, float], scale: Scale) -> None:
    """A thin line for each level, named at its right end. The axis has its limits already."""
    low, high = axes.get_ylim()
    heights = {name: _share(value, low, high, scale) for name, value in levels.items() if low <= value <= high}
    for name in heights:
        value = levels[name]
        axes.axhline(value, color="0.45", linewidth=0.7, linestyle=(0, (6, 3)), zorder=1.2)
        near = [other for other in heights.values() if 0 < abs(other - heights[name]) < CLOSE]
        align: Any = "center" if not near else "bottom" if heights[name] > near[0] else "top"
        words = axes.annotate(
            name, (1, value), (2, 0), xycoords=("axes fraction", "data"), textcoords="offset points", va=align
        )
        words.set(fontsize=SMALL, color="0.35", annotation_clip=False)


def _share(value: float, low: float, high: float, scale: Scale) -> float:
    """How far up an axis a value stands: 0 at its lower end, 1 at its upper one."""
    if scale.log:
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)


def finish(figure: Figure, handles: Mapping[str, Artist | tuple[Artist, ...]], note: str) -> None:
    """Put the legend above the axes and the note below them; the figure grows as far as they need.

    Args:
        figure: of :func:`column`.
        handles: what the legend shows, by its words.
        note: any number of sentences.
    """
    labels = list(handles)
    drawn: Any = list(handles.values())
    legend: Any = figure.legend(drawn, labels, ncols=_columns(labels), **LEGEND_LOOK)
    plain(*legend.get_texts(), width=CHARACTERS - HANDLE)
    below = figure.text(EDGE, 0, note, fontsize=SMALL, color="0.35", linespacing=1.25, va="bottom")
    plain(below, width=SMALL_CHARACTERS)
    above, under = _height(figure, legend), _height(figure, below)
    height = HEIGHT + above + under + GAP
    figure.set_figheight(height)
    below.set_y(GAP / 2 / height)
    engine: Any = figure.get_layout_engine()
    engine.set(rect=(0, (under + GAP) / height, 1, 1 - (above + under + GAP) / height))


def _columns(labels: Sequence[str]) -> int:
    """As many as fit beside each other, three at most."""
    longest = max((len(label) for label in labels), default=0)
    return max(1, min(3, len(labels), (CHARACTERS + 4) // (longest + HANDLE)))


def _height(figure: Figure, part: Any) -> float:
    """In inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    return float(part.get_window_extent(FigureCanvasAgg(figure).get_renderer()).height / figure.dpi)
