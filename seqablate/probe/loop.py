"""A probe for a training loop: every so many steps, written to TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from torch import nn

from seqablate.probe.timestep import TimestepProbe

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class ProbeEvery:
    """A context for the forward and backward pass of a training step; see :func:`probe_every`.

    Attributes:
        step: the number of the next step.
        last: the probe of the last step that was probed; None before the first.
    """

    def __init__(self, probe: TimestepProbe, every: int, writer: SummaryWriter | None, step: int) -> None:
        self._probe, self._every, self._writer = probe, every, writer
        self._entered = False
        self.step = step
        self.last: TimestepProbe | None = None

    def __enter__(self) -> TimestepProbe | None:
        """The probe, at a step that is probed; None at the others."""
        self._entered = self.step % self._every == 0
        return self._probe.__enter__() if self._entered else None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._entered:
            self._probe.__exit__(kind, error, at)
            self.last = self._probe
        if kind is None and self._entered and self._writer is not None:
            self._probe.log(self._writer, self.step)
        self.step += kind is None


def probe_every(
    model: nn.Module,
    every: int,
    writer: SummaryWriter | None = None,
    *,
    step: int = 0,
    states: Sequence[str] = ("h", "c"),
    vectors: bool = False,
    outputs: Mapping[str, str] | None = None,
) -> ProbeEvery:
    """Probe every ``every``-th step of a training loop; the other steps cost nothing.

    Enter the result around the forward and backward pass of each step. It counts the steps, and after a probed one
    calls :meth:`~seqablate.probe.timestep.TimestepProbe.log`. A block that raises is neither counted nor logged.

    Args:
        model, states, vectors, outputs: as for :class:`~seqablate.probe.timestep.TimestepProbe`.
        every: number of steps from one probed step to the next.
        writer: where to log; None logs nothing, and ``.last`` is the probe of the last probed step.
        step: the number of the first step, for training that continues.

    Raises:
        ValueError: ``every`` is not a whole number of at least 1.

    Example:
        >>> import torch
        >>> model = torch.nn.GRU(3, 8)
        >>> optimizer = torch.optim.Adam(model.parameters())
        >>> probing = probe_every(model, 100)  # with a SummaryWriter as third argument it is logged
        >>> for x_TBI in torch.randn(3, 20, 4, 3):
        ...     with probing:
        ...         model(x_TBI)[0][-1].square().mean().backward()
        ...     optimizer.step()
        ...     optimizer.zero_grad()
        >>> probing.step, probing.last[""].total["h"].shape
        (3, torch.Size([1, 1, 20, 4]))
    """
    if isinstance(every, bool) or not isinstance(every, int) or every < 1:
        raise ValueError(f"every must be a whole number of 1 or more steps, not {every!r}")
    return ProbeEvery(TimestepProbe(model, states, vectors, outputs), every, writer, step)
