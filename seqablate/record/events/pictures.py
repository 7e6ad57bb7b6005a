"""The pictures of an event file: curves against the training step, and signals of two axes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from seqablate.signals import Curve, Heatmap, Signal
from seqablate.signals.view import last_shown, panels, view_of, views_of


def draw_history(view: Curve, signals: Sequence[Signal]) -> bytes:
    """A PNG of one place's curves at all training steps. TensorBoard writes the run's name above it."""
    from seqablate.figures.quick import heatmap_png

    place = signals[0].place
    values_ST = np.full((len(signals), max(len(signal.values) for signal in signals)), np.nan)
    for row, signal in zip(values_ST, signals, strict=True):
        row[: len(signal.values)] = signal.values
    return heatmap_png(
        values_ST,
        np.array([signal.step for signal in signals]),
        title=f"{view.noun}, {place.label}",
        label=view.symbol.format(place=place.state),
        ylabel=view.xlabel,
        log=view.log,
    )


def draw_matrices(name: str, signals: Iterable[Signal]) -> dict[str, bytes]:
    """By tag, a PNG of each quantity of two axes, all places side by side, as they were last measured."""
    from seqablate.figures.files import png
    from seqablate.figures.panels import draw_panels

    matrices = [signal for signal in signals if signal.at is not None]
    found = {}
    for view in views_of(matrices):
        assert isinstance(view, Heatmap)
        shown = last_shown(view, matrices)
        title = f"{name}\n{view.title}, after {shown[0].step} steps"
        found[f"heatmap/{view.tag}"] = png(draw_panels({"": panels(shown)}, title=title, **view.words))
    return found


def has_history(signal: Signal) -> bool:
    """Whether it is also drawn against the training step."""
    view = view_of(signal)
    return isinstance(view, Curve) and view.history is not None and len(signal.values) >= view.history
