"""Shares that grow in steps: how many of a group have reached something by then, with marks for who was lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from seqablate.figures.bands import CROSS
from seqablate.figures.ends import handle
from seqablate.figures.paper import EDGED, LINE, MARK, Words, column, draw_levels, finish
from seqablate.figures.scale import Scale
from seqablate.figures.styles import Look, grey_styles, spread

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHARES = Scale(log=False)
TICK: dict[str, Any] = {"linestyle": "none", "marker": "|", "markersize": 2 * MARK, "markeredgewidth": 1.1}


@dataclass(frozen=True, slots=True, eq=False)
class Staircase:
    """A share that changes at N points and stays the same between them.

    Args:
        label, look: of the group.
        x, y: [N] where it changes, and what it is from there on; the last point is the end of the line.
        ticks: where a member's observation ended before it got there (censored).
        lost: where a member was lost for ever.
    """

    label: str
    look: Look
    x: np.ndarray
    y: np.ndarray
    ticks: Sequence[float] = ()
    lost: Sequence[float] = ()

    def at(self, x: Sequence[float]) -> np.ndarray:
        """The share at these points."""
        found: np.ndarray = self.y[np.searchsorted(self.x, x, side="right") - 1]
        return found


def draw_steps(groups: Sequence[Staircase], words: Words, *, tick: str, lost: str) -> Figure:
    """Draw shares from 0 to 1 in one column of a paper.

    Args:
        groups: in the order of the legend.
        words: around the picture.
        tick, lost: what the two marks mean, in the legend.
    """
    figure, axes = column(words, SHARES)
    axes.set_ylim(-0.04, 1.04)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], labels=["0", "0.25", "0.5", "0.75", "1"])
    handles: dict[str, Artist] = {}
    styles = grey_styles([group.look or spread(number) for number, group in enumerate(groups)])
    for group, style in zip(groups, styles, strict=True):
        handles[group.label] = _draw_group(axes, group, style)
    if any(group.ticks for group in groups):
        handles[tick] = handle(**TICK | {"markersize": 1.5 * MARK})
    if any(group.lost for group in groups):
        handles[lost] = handle(**CROSS)
    axes.margins(x=0.02)
    axes.locator_params(axis="x", integer=True, nbins=6)
    draw_levels(axes, words.levels, SHARES)
    finish(figure, handles, words.note)
    return figure


def _draw_group(axes: Axes, group: Staircase, style: dict[str, Any]) -> Artist:
    """The line, with a mark at every step up."""
    look: dict[str, Any] = {"linewidth": LINE, "markersize": MARK, **EDGED, **style}
    rises = (np.flatnonzero(np.diff(group.y) > 0) + 1).tolist()
    axes.plot(group.x, group.y, drawstyle="steps-post", markevery=rises, **look)
    for x, mark in ((group.ticks, TICK), (group.lost, CROSS)):
        axes.plot(x, group.at(x), color=style["color"], zorder=3, **mark)
    return handle(**look)
