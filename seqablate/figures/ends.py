"""Where a curve runs into 0, inf or NaN: a mark at the edge of the axes, and a dotted line that leads to it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from seqablate.figures.curve import ENDS, Curve, End
from seqablate.figures.scale import Scale

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

MARKERS = {"zero": "v", "overflow": "^", "nan": "X", "negative": "v"}
DOTTED = (0, (1, 1.5))


def draw_ends(axes: Axes, curve: Curve, color: str, edges: tuple[float, float], scale: Scale, size: float) -> set[str]:
    """Draw all ends of a curve.

    Args:
        axes: to draw on.
        curve: whose ends.
        color: of the curve.
        edges: the lowest and the highest value on the vertical axis.
        scale: of that axis.
        size: of the marks, in points.

    Returns:
        Which kinds of ends there are.
    """
    ends = list(curve.ends(scale))
    for end in ends:
        _draw_end(axes, end, curve, color, edges, scale, size)
    return {end.kind for end in ends}


def _draw_end(
    axes: Axes, end: End, curve: Curve, color: str, edges: tuple[float, float], scale: Scale, size: float
) -> None:
    x, y = curve.points(scale)
    low, high = edges
    beside = high if end.beside is None else float(y[end.beside])
    height = {"zero": low, "negative": low, "overflow": high}.get(end.kind, min(max(beside, low), high))
    if end.beside is not None:
        axes.plot([x[end.beside], end.x], [y[end.beside], height], color=color, linewidth=0.15 * size, linestyle=DOTTED)
    axes.plot(
        [end.x], [height], linestyle="none", marker=MARKERS[end.kind], markersize=size, color=color, clip_on=False
    )


def end_handles(kinds: Collection[str], size: float, words: Mapping[str, str] = ENDS) -> dict[str, Artist]:
    """The legend's entries for the kinds of ends that there are, by their words."""
    return {words[kind]: handle(marker=MARKERS[kind], markersize=size) for kind in ENDS if kind in kinds}


def handle(**look: Any) -> Artist:
    """A grey mark, or what else a line can look like, for a legend."""
    from matplotlib.lines import Line2D

    return Line2D([], [], **{"linestyle": "none", "color": "0.4", **look})
