"""What a diagnostic is given: a probed pass, or a look at the model with samples to make passes of its own.

Shapes: T time, B batch. Imports no torch before a pass is made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from seqablate.diagnostics.batches import in_time

if TYPE_CHECKING:
    import torch

    from seqablate.config.task_spec import TaskSpec
    from seqablate.models.base import ProbePoint
    from seqablate.probe import TimestepProbe
    from seqablate.tasks.base import Batch

LossOf = Callable[["torch.Tensor"], "torch.Tensor"]
Norms = dict[str, np.ndarray]  # state -> norms [T, B] in float64


class Seen(Protocol):
    """What was recorded of one module: by state, norms [1, 1, T, B] in float64."""

    @property
    def total(self) -> dict[str, torch.Tensor]: ...

    @property
    def direct(self) -> dict[str, torch.Tensor]: ...


class Records(Protocol):
    """What was recorded of a pass by the name of a module; a probe is one."""

    def __getitem__(self, name: str, /) -> Seen: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbedPass:
    """One forward and backward pass that a probe saw.

    Args:
        step: number of updates that the parameters had seen.
        points: the modules of the model whose gradient was recorded.
        records: what was recorded of each module by its name.
        lengths: valid steps [B] of the samples, None when all are.
        mean: whether the loss was a mean over the B samples: then each sample's gradient of its own loss is B times
            what arrived.
    """

    step: int
    points: tuple[ProbePoint, ...]
    records: Records
    lengths: np.ndarray | None
    mean: bool
    _read: dict[tuple[str, str], Norms] = field(default_factory=dict)

    def total(self, point: ProbePoint) -> Norms:
        """By state: norms [T, B] by timestep of each sample's gradient of its own loss, with all that flows back.

        They are in float64, in which no sum or square of float32 norms overflows or vanishes.
        """
        return self._in_time(point, "total")

    def direct(self, point: ProbePoint) -> Norms:
        """As :meth:`total`, for the part that arrives through the state's own output; empty of a layer's output."""
        return self._in_time(point, "direct")

    def total_by_own_steps(self, point: ProbePoint) -> Norms:
        """As :meth:`total`, in the order in which the module reads: a reverse recurrence begins at the end."""
        return self._norms(point, "total")

    def _in_time(self, point: ProbePoint, kind: str) -> Norms:
        reverse = point.place.direction == "reverse"
        return {s: in_time(norm_TB, reverse, self.lengths) for s, norm_TB in self._norms(point, kind).items()}

    def _norms(self, point: ProbePoint, kind: str) -> Norms:
        """Fetched from the device once for all diagnostics."""
        if (point.name, kind) not in self._read:
            found: dict[str, torch.Tensor] = getattr(self.records[point.name], kind)
            norms = {state: norm_11TB[0, 0].double().cpu().numpy() for state, norm_11TB in found.items()}
            self._read[point.name, kind] = {s: n * n.shape[1] if self.mean else n for s, n in norms.items()}
        return self._read[point.name, kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A model as it is at one step, with some samples of the evaluation data.

    Args:
        step: number of updates that the parameters have seen.
        model: a :class:`seqablate.models.base.Model`.
        task: what the model is trained on.
        batch: the samples, as tensors on the model's device.
        run: from the batch to the losses [T, B], or [B] where the task has one loss a sample.
    """

    step: int
    model: Any
    task: TaskSpec
    batch: Batch
    run: Callable[[], torch.Tensor]

    @property
    def points(self) -> tuple[ProbePoint, ...]:
        """The modules of the model whose gradient can be recorded."""
        return tuple(self.model.probe_points)

    @property
    def lengths(self) -> np.ndarray | None:
        """Valid steps [B] of the samples, None when all are."""
        return None if self.batch.lengths is None else self.batch.lengths.cpu().numpy()

    def backward(self, loss_of: LossOf) -> ProbedPass:
        """What a probe sees of one forward and backward pass; no gradient stays in the parameters.

        Args:
            loss_of: from the losses [T, B] or [B] to the sum of those whose gradient is meant.
        """
        from seqablate.engine.subnormals import flushed

        with flushed(self.batch.x.device), new_probe(self.model) as probe:
            loss_of(self.run()).backward()
        self.model.zero_grad(set_to_none=True)
        return ProbedPass(step=self.step, points=self.points, records=probe, lengths=self.lengths, mean=False)


def new_probe(model: Any) -> TimestepProbe:
    """A probe of every point of a model."""
    from seqablate.probe import TimestepProbe

    outputs = {point.name: point.layout for point in model.probe_points if point.layout is not None}
    return TimestepProbe(model, outputs=outputs)
