"""Curves on a logarithmic axis, or a linear one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from seqablate.figures.curve import Curve, span
from seqablate.figures.ends import draw_ends, end_handles
from seqablate.figures.scale import LOG, Scale
from seqablate.figures.styles import spread, styles
from seqablate.figures.words import plain

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INSIDE_CURVES, INSIDE_CHARACTERS = 6, 44  # a legend of more curves, or of longer labels, stands beside the axes
LEGEND_CHARACTERS, LEGEND_LINES = 72, 48  # of a column of the legend
TITLE_CHARACTERS = 92
MARK = 8  # points: where a curve ends


def draw_curves(curves: Sequence[Curve], *, title: str, xlabel: str, ylabel: str, scale: Scale = LOG) -> Figure:
    """Overlay curves on one axis, with a legend that is never cut (beside the axes when it is long).

    Where a curve runs into 0, inf or NaN, its end is marked, and the legend says what the mark means. Drawn without
    pyplot, so that nothing global is touched and no display is needed.

    Args:
        curves: of any lengths.
        title, xlabel, ylabel: shown letter by letter.
        scale: the vertical axis; a line marks its floor where a curve comes near.

    Example:
        >>> figure = draw_curves([Curve("fades", 0.5 ** np.arange(9.0))], title="", xlabel="lag k", ylabel="norm")
        >>> figure.axes[0].get_yscale()
        'log'
    """
    figure, axes = blank(width=8.0, height=4.8)
    bottom, top = span(curves, scale)
    margin = 0.05 * (top - bottom)
    low, high = scale.value(bottom - margin), scale.value(top + margin)
    looks = styles([curve.look or spread(position) for position, curve in enumerate(curves)])
    handles: list[Artist] = []
    kinds: set[str] = set()
    for curve, look in zip(curves, looks, strict=True):
        handles.append(_draw_curve(axes, curve, look, scale))
        kinds |= draw_ends(axes, curve, look["color"], (low, high), scale, MARK)
    for words, mark in end_handles(kinds, MARK - 1).items():
        mark.set_label(words)
        handles.append(mark)
    if scale.floor_height is not None and bottom < scale.floor_height + 1:
        style: dict[str, Any] = {"color": "0.4", "linewidth": 1.0, "linestyle": (0, (6, 3))}
        handles.append(axes.axhline(scale.value(scale.floor_height), **style, label=scale.floor_words))
    axes.set(xlabel=xlabel, ylabel=ylabel, yscale="log" if scale.log else "linear", ylim=(low, high))
    axes.margins(x=0.02)
    axes.dataLim.update_from_data_x(
        np.concatenate([np.zeros(0), *(curve.points()[0] for curve in curves)])
    )  # drawn or not
    axes.minorticks_off()  # nine in every decade, and none of them labelled: half of the time of drawing
    axes.locator_params(axis="x", integer=True)
    plain(axes.xaxis.label, axes.yaxis.label)
    plain(axes.set_title(title, loc="left", fontsize="medium", fontweight="bold"), width=TITLE_CHARACTERS)
    if handles:
        _add_legend(figure, axes, handles)
    return figure


def _draw_curve(axes: Axes, curve: Curve, look: Mapping[str, Any], scale: Scale) -> Artist:
    """The line, with a dot for every point that no line leads to."""
    x, y = curve.points(scale)
    color, marker = look["color"], look["marker"]
    axes.plot(x, y, linewidth=2.0, markersize=5, markevery=max(1, len(y) // 8), **look)
    alone = _alone(y)
    if alone and not marker:
        axes.plot(x[alone], y[alone], linestyle="none", marker="o", markersize=5, color=color)
    (handle,) = axes.plot([], [], label=curve.label, linewidth=2.0, markersize=5, **look)
    return handle


def _alone(y: np.ndarray) -> list[int]:
    """Where a point stands between two gaps."""
    gap = np.concatenate([[True], ~np.isfinite(y), [True]])
    return [int(i) for i in np.flatnonzero(~gap[1:-1] & gap[:-2] & gap[2:])]


def _add_legend(figure: Figure, axes: Axes, handles: Sequence[Artist]) -> None:
    """Inside where it covers little; else beside the axes, for which the figure grows as far as it must."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    longest = max(len(str(handle.get_label())) for handle in handles)
    if len(handles) <= INSIDE_CURVES and longest <= INSIDE_CHARACTERS:
        plain(*axes.legend(handles=handles, fontsize="small", frameon=False).get_texts())
        return
    lines = sum(math.ceil(len(str(handle.get_label())) / LEGEND_CHARACTERS) for handle in handles)
    legend = figure.legend(
        handles=handles,
        loc="outside right upper",
        fontsize="small",
        frameon=False,
        handlelength=3.2,
        ncols=math.ceil(lines / LEGEND_LINES),
    )
    plain(*legend.get_texts(), width=LEGEND_CHARACTERS)
    size = legend.get_window_extent(FigureCanvasAgg(figure).get_renderer())
    width, height = figure.get_size_inches()
    figure.set_size_inches(width + size.width / figure.dpi, max(height, size.height / figure.dpi + 0.2))


def blank(
    *, width: float, height: float, edges: tuple[float, float, float, float] | None = None, dpi: int = 120
) -> tuple[Figure, Axes]:
    """An empty figure (inches; ``dpi`` pixels each) in this package's style, with one pair of axes.

    ``edges`` (left, bottom, right, top as shares of the figure) place the axes; None finds room for every word, which
    takes twice as long.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=dpi, layout=None if edges else "constrained")
    if edges:
        figure.subplots_adjust(*edges)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(True, which="major", alpha=0.25, linewidth=0.8)
    return figure, axes
