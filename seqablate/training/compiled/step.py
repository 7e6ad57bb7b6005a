"""The compiled step: loss, gradient, clip and update of a plain recurrent model, in arrays of its own.

What it leaves behind is what the plain step does (``training/step.py``): the same batch, the same columns.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from seqablate.clip.base import Clip
from seqablate.engine.kernels.arrays import Array
from seqablate.engine.kernels.steps import norm
from seqablate.engine.subnormals import flushed
from seqablate.tasks.base import Task
from seqablate.tasks.objectives import Classification
from seqablate.training.compiled import kernels
from seqablate.training.compiled.flat import Flat
from seqablate.training.compiled.net import Net
from seqablate.training.compiled.optimizers import make_update
from seqablate.training.parts import Parts
from seqablate.training.skip import MADE, why_skipped
from seqablate.training.step import StepOutcome, set_learning_rate


class CompiledStep:
    """See :func:`seqablate.training.compiled.which.refusal` for the runs that it can make steps of.

    It is made after a checkpoint has been loaded: from then on parameters and optimizer's state lie in its arrays.
    """

    def __init__(self, parts: Parts) -> None:
        self.parts, self.flat = parts, Flat(parts.optimizer)
        task: Any = parts.task
        classes = isinstance(task.objective, Classification)
        self.net, self.clip = Net(parts.model.plain_stack(), classes, self.flat), _clip(parts.clip, self.flat)
        self.update = make_update(self.flat)

    def __call__(self, step: int, task: Task, carried: None, observed: bool, measure_update: bool) -> StepOutcome:
        """Update the parameters once; see :func:`seqablate.training.step.train_step`."""
        parts, flat = self.parts, self.flat
        batch = task.train_batch(step)
        set_learning_rate(parts, step)
        with flushed():
            loss, norms = self.net.gradients(batch, observed)
            before, after, clipped = self.clip()
            skipped = why_skipped(parts.config, loss, before)
            old = flat.values.copy() if measure_update else None
            if skipped == MADE:
                self.update(parts.optimizer.param_groups[0])
            ratio = math.nan if old is None or skipped else _ratio(norm(flat.values - old), norm(old))
        measured = torch.from_numpy(np.array([loss, before, after, clipped, ratio, skipped, 0.0, 0.0]))
        seen = {layer.name: Norms(layer.cell.states, norms[layer.name]) for layer in self.net.layers if observed}
        return StepOutcome(measured, None, False, None, batch.lengths, seen or None)


def _ratio(a: float, b: float) -> float:
    """``a / b`` of norms, as a tensor would have it where b is 0."""
    if b == 0:
        return math.inf if a > 0 else math.nan
    return a / b


@dataclass(frozen=True, slots=True)
class Norms:
    """What was seen of one recurrence.

    Args:
        states: of its cell.
        norms: [states, 2, T, B], of the total and of the direct gradient.
    """

    states: Sequence[str]
    norms: Array

    @property
    def total(self) -> dict[str, torch.Tensor]:
        """By state: [1, 1, T, B]."""
        return self._kind(0)

    @property
    def direct(self) -> dict[str, torch.Tensor]:
        """By state: [1, 1, T, B]."""
        return self._kind(1)

    def _kind(self, kind: int) -> dict[str, torch.Tensor]:
        return {state: torch.from_numpy(self.norms[k, kind])[None, None] for k, state in enumerate(self.states)}


def _clip(clip: Clip, flat: Flat) -> Callable[[], tuple[float, float, bool]]:
    """Clips the gradients; the norm before and after, and whether anything was cut."""
    bound = clip.bound()
    assert bound is not None  # or the run would not be here
    if bound.of == "value":
        return partial(kernels.clip_value, flat.grads, flat.values.dtype.type(bound.largest))
    return partial(kernels.clip_norm, flat.grads, bound.largest)
