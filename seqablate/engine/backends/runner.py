"""What runs a cell: the signature that every backend has, and the way into a call that is observed.

Shapes: T time, B batch, I input, D hidden.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from seqablate.engine.cell import Cell, States, Weights
from seqablate.engine.ports import Ports

# (cell, x_TBI, states, weights, ports) -> output [T, B, D] and the final states
Runner = Callable[[Cell, Tensor, States, Weights, Ports], tuple[Tensor, States]]


def enter(report: Callable[[], None], x_TBI: Tensor, states: States, w: Weights) -> tuple[Tensor, States, Weights]:
    """What goes into a call, unchanged; ``report`` is called when a backward pass has been at every state inside.

    The anchor makes sure that it comes back here when neither input nor weights require a gradient.
    """
    anchor = torch.zeros((), device=x_TBI.device, requires_grad=True)
    x_TBI, *rest = _Entrance.apply(report, anchor, x_TBI, *states, *w)
    return x_TBI, tuple(rest[: len(states)]), Weights(*rest[len(states) :])


class _Entrance(torch.autograd.Function):
    """One function of all that goes in: a backward pass comes through here whatever of it a gradient is asked for."""

    @staticmethod
    def forward(
        ctx: Any, report: Callable[[], None], anchor: Tensor, *inputs: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        ctx.report = report
        ctx.set_materialize_grads(False)
        return inputs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        ctx.report()
        return None, None, *gradients
