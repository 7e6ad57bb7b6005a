"""Pairs of timesteps: the gradient of each loss step of a decoder at each timestep of its encoder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from seqablate.config.registry import variant
from seqablate.diagnostics.base import EvaluationDiagnostic
from seqablate.diagnostics.batches import batch_mean
from seqablate.signals.place import Place
from seqablate.signals.signal import Signal
from seqablate.signals.view import Heatmap

if TYPE_CHECKING:
    import torch

    from seqablate.diagnostics.look import Look

MOST = 32  # loss steps that are told apart
PAIR = Heatmap(
    quantity="pair",
    tag="pair",
    title="Gradient of each loss step with respect to h(t)",
    xlabel="encoder timestep t",
    ylabel="decoder step s (whose loss it is)",
    unit="‖dJ(s)/dh(t)‖",
    live=False,
    relative=True,
)


@variant("diagnostic", "pairs")
@dataclass(kw_only=True, slots=True)
class Pairs(EvaluationDiagnostic):
    """Gradient norm of each loss step of a decoder at each timestep of its encoder, at evaluations.

    That is ||dJ(s)/dh(t)||, J(s) being the loss of ONE decoder step s. An encoder is what stands ``lag`` steps before
    the model's end (:class:`seqablate.models.base.ProbePoint`); h of its top layer is measured. Models without an
    encoder have no pairs.
    """

    views = (PAIR,)

    def measure(self, look: Look) -> Iterator[Signal]:
        """A matrix [T, S] of each direction, S loss steps standing in ``at``."""
        top = max((point.place.layer or 0 for point in look.points if point.lag), default=None)
        encoder = [point for point in look.points if point.lag and point.place.layer == top]
        if not encoder:
            return
        rows: dict[Place, list[np.ndarray]] = defaultdict(list)
        loss_steps = np.unique(np.linspace(0, len(look.batch.y) - 1, MOST).round().astype(int))
        for s in loss_steps:
            # A forward pass each: through one call of a compiled recurrence, two backward passes cannot be told apart.
            seen = look.backward(partial(_one_step, int(s)))
            for point in encoder:
                rows[point.place].append(batch_mean(seen.total(point)["h"], None))
        for place, found in rows.items():
            values = np.stack(found, 1)
            yield Signal(step=look.step, quantity="pair", place=place, loss_step="each", values=values, at=loss_steps)


def _one_step(s: int, losses: torch.Tensor) -> torch.Tensor:
    return losses[s].sum()
