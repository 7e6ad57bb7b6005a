"""The lag curve: the gradient of the last loss step over the distance from it, in time and in depth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from seqablate.config.registry import variant
from seqablate.diagnostics.base import EvaluationDiagnostic
from seqablate.diagnostics.batches import LayerNorms, batch_mean, last_targets, reverse_steps
from seqablate.signals.signal import Signal
from seqablate.signals.view import Curve

if TYPE_CHECKING:
    import torch

    from seqablate.diagnostics.look import Look

LAG = Curve(
    quantity="lag",
    tag="lag_curve",
    title="Gradient of the last loss step with respect to {state}(t−k)",
    xlabel="lag k (timesteps before the loss)",
    axis="the lag",
    index="k",
    decay=True,
    live=False,
)
PATH = Curve(
    quantity="path_lag",
    tag="path_curve",
    file="path",
    title="Reverse direction: gradient of the last loss step with respect to its h, by its own steps",
    xlabel="steps k of the reverse direction back from its end at timestep 0",
    axis="the reverse direction's own steps",
    index="k",
    decay=True,
    live=False,
)
DEPTH = Curve(
    quantity="depth_lag",
    tag="depth_curve",
    file="depth",
    title="Gradient of the last loss step with respect to the output of each layer, from the top",
    xlabel="layers below the top",
    axis="the layers below the top",
    index="k",
    decay=True,
    live=False,
    aside=True,  # the layer profile, seen from the other end
)


@variant("diagnostic", "lag")
@dataclass(kw_only=True, slots=True)
class Lag(EvaluationDiagnostic):
    """Gradient norm of the last loss step by the distance from it, at evaluations.

    That is ||dJ(t)/dh(t-k)|| for k = 0, 1, ..., J(t) being the last loss step of each sample. Over depth
    (``depth_lag``), if the layers have no time axis: ||dJ/dh(L-1-k)||. A reverse recurrence ends at timestep 0, so its
    steps back from there (``path_lag``) are no distances in time from the last loss step. Only if every step has a loss
    does the last loss step read its first step, at the last timestep: then its timestep t-k is at lag k as everywhere
    else.
    """

    reference = "Pascanu et al. 2013, eq. 5"
    views = (LAG, PATH, DEPTH)

    def measure(self, look: Look) -> Iterator[Signal]:
        """Curves [K] of each state, layer and direction, or a curve [L] over the layers."""
        last_B, layers = last_targets(look.batch), LayerNorms()
        seen = look.backward(partial(_last_step, last_B))
        for point in look.points:
            reverse = point.place.direction == "reverse"
            # A module's own order is already that of the lag for a reverse recurrence whose first step the loss reads.
            reads_first = reverse and not point.lag and look.task.every_step and last_B is None
            lengths = seen.lengths if last_B is None or reverse else last_B + 1  # nothing flows back to later steps
            quantity = "path_lag" if reverse and not reads_first else "lag"
            for state, norm_TB in seen.total_by_own_steps(point).items():
                if not point.timed:
                    layers.add(point, norm_TB, None)
                    continue
                ordered_TB = norm_TB if reads_first else reverse_steps(norm_TB, lengths)
                values = np.concatenate([np.full(point.lag, np.nan), batch_mean(ordered_TB, lengths)])
                place = replace(point.place, state=state)
                yield Signal(step=look.step, quantity=quantity, place=place, loss_step="last", values=values)
        for place, values in layers.profiles():
            yield Signal(step=look.step, quantity="depth_lag", place=place, loss_step="last", values=values[::-1])


def _last_step(last_B: np.ndarray | None, losses: torch.Tensor) -> torch.Tensor:
    if losses.dim() == 1:
        return losses.sum()
    return (losses[-1] if last_B is None else losses[last_B, np.arange(len(last_B))]).sum()
