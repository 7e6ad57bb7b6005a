"""Signals of two axes as coloured cells: a row of panels a run, as it was last measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from seqablate.comparison.curves import When, after
from seqablate.comparison.picture import Picture
from seqablate.record.run import Run
from seqablate.signals import Signal
from seqablate.signals.view import MOST_PANELS, Heatmap, last_shown, panels, views_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_RUNS = 6  # in one picture


def pictures(runs: Sequence[Run], whens: Sequence[When]) -> Iterator[Picture]:
    """A picture a quantity."""
    for view in views_of(signal for run in runs for signal in run.record.signals):
        if isinstance(view, Heatmap):
            found = {run: shown for run in runs if (shown := last_shown(view, run.record.signals))}
            places = max((len(shown) for shown in found.values()), default=0)
            few = f"only the first {MOST_PANELS} of {places} places are drawn"
            if len(found) > MOST_RUNS:
                have = f"{len(found)} runs have one, at most {MOST_RUNS} fit a picture; name fewer runs"
                yield Picture(stem=view.stem, draw=None, notes=[f"no {view.noun} matrices: {have}"])
            elif found:
                draw = partial(_draw, view, found, alone=len(runs) == 1)
                yield Picture(stem=view.stem, draw=draw, notes=[few] if places > MOST_PANELS else [])


def _draw(view: Heatmap, found: dict[Run, list[Signal]], *, alone: bool) -> Figure:
    from seqablate.figures.panels import draw_panels

    names = {run: f"{run.name}, {after([shown[0].step])}" for run, shown in found.items()}
    if not alone:
        return draw_panels({names[run]: panels(found[run]) for run in found}, title=view.title, **view.words)
    ((run, shown),) = found.items()
    title = f"{run.name}\n{view.title}, {after([shown[0].step])}"
    return draw_panels({"": panels(shown)}, title=title, **view.words)
