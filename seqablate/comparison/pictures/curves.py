"""Each kind of curve of all runs, overlaid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from seqablate.comparison.curves import Overlay, When, overlay
from seqablate.comparison.picture import Picture
from seqablate.record.run import Run
from seqablate.signals.view import Curve, views_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def pictures(runs: Sequence[Run], whens: Sequence[When]) -> Iterator[Picture]:
    """A picture a quantity; of those of secondary interest without text."""
    moment = "" if list(whens) == [None] else "-" + "-".join("last" if when is None else str(when) for when in whens)
    for view in views_of(signal for run in runs for signal in run.record.signals):
        if isinstance(view, Curve) and (drawn := overlay(runs, view, whens)) is not None:
            draw, text = partial(_draw, drawn), partial(_text, drawn)
            if view.aside:
                yield Picture(stem=view.stem + moment, draw=draw)
            else:
                yield Picture(stem=view.stem + moment, draw=draw, text=text, notes=drawn.notes)


def _draw(drawn: Overlay) -> Figure:
    from seqablate.figures.curves import draw_curves

    return draw_curves(drawn.curves, **drawn.words)


def _text(drawn: Overlay, width: int, colour: bool) -> str:
    from seqablate.figures.terminal import plot_curves

    return plot_curves(drawn.curves, **drawn.words, width=width, colour=colour)
