"""The curves that people look at: which signals make them, and the words around them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from seqablate.signals.schema import Signal


@dataclass(frozen=True, slots=True)
class View:
    """One kind of curve.

    Args:
        name: in file names.
        quantity, axis: of the signals that it shows.
        tag: prefix on TensorBoard.
        title: what it is; ``{state}`` stands for h or c.
        xlabel: what its axis counts.
    """

    name: str
    quantity: str
    axis: str
    tag: str
    title: str
    xlabel: str

    def shows(self, signal: Signal) -> bool:
        """Whether a signal is such a curve, with something known in it."""
        kind = (signal.quantity, signal.axis)
        return kind == (self.quantity, self.axis) and bool(np.isfinite(signal.values).any())


VIEWS = (
    View(
        "lag",
        "lag",
        "lag",
        "lag_curve",
        "Gradient of the last loss step with respect to {state}(t−k)",
        "lag k (timesteps before the loss)",
    ),
    View(
        "path",
        "lag",
        "path",
        "path_curve",
        "Reverse direction: gradient of the last loss step with respect to its h, by its own steps",
        "steps k of the reverse direction back from its end at timestep 0",
    ),
    View(
        "profile",
        "total",
        "timestep",
        "profile",
        "Gradient of the training loss with respect to {state}(t)",
        "timestep t",
    ),
    View(
        "layers",
        "layer",
        "layer",
        "layer_profile",
        "Gradient of the training loss with respect to the output of each layer",
        "layer",
    ),
)


def view_of(signal: Signal) -> View | None:
    """The view that shows a signal, if one does."""
    return next((view for view in VIEWS if view.shows(signal)), None)


def last_shown(view: View, signals: Iterable[Signal]) -> list[Signal]:
    """A view's curves of the last step at which any was known (a diverged run ends in NaN)."""
    found = [signal for signal in signals if view.shows(signal)]
    return [signal for signal in found if signal.step == found[-1].step]


def memory_rank(module: str, state: str) -> tuple[bool, bool]:
    """The place that stands for a run is the one of highest rank: an encoder before its decoder, c before h."""
    return module != "decoder", state == "c"
