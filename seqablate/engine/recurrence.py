"""One layer and direction of any cell, on the backend that suits it.

Three backends, one meaning; tests hold them equal.

    loop      the cell's formula, step by step, under autograd: any cell, any device, slow
    torch     torch's own fused kernels (cuDNN on a GPU); observed, with zero channels (fused.py)
    compiled  whole sequences in one compiled function with its own backward pass (kernels.py): CPU

Shapes: T time, B batch, I input, D hidden, G gates.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from seqablate.engine import compiled, fused, loop
from seqablate.engine.call import Weights
from seqablate.engine.cells import CELLS, Cell, States
from seqablate.engine.gradients import Observer

Backend = Callable[[Cell, Tensor, States, Weights, Observer | None], tuple[Tensor, States]]
BACKENDS: dict[str, Backend] = {"loop": loop.run, "torch": fused.run_cell, "compiled": compiled.run}


def choose_backend(cell: Cell, device: torch.device) -> str:
    """The table. It holds at every shape: the compiled kernels were the quickest at all that were measured."""
    if not cell.fused:
        return "loop"
    return "compiled" if device.type == "cpu" and compiled.available() else "torch"


class Recurrence(nn.Module):
    """One layer and direction of a cell.

    Parameters are torch's: ``weight_ih`` [G*D, I], ``weight_hh`` [G*D, D], ``bias_ih`` and ``bias_hh`` [G*D], with one
    block of D rows per gate, in the order of ``cell.gates``; they start as torch's do, U(-1/sqrt(D), 1/sqrt(D)).

    Args:
        cell: name of a cell in ``CELLS``.
        input_size: I.
        hidden_size: D.

    Attributes:
        backend: ``"loop"``, ``"torch"`` or ``"compiled"``; None lets :func:`choose_backend` say at each call.

    Example:
        >>> gru = Recurrence("gru", 3, 8)
        >>> output_TBD, (h_n_BD,) = gru(torch.randn(20, 4, 3))
    """

    def __init__(self, cell: str, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.cell = CELLS[cell]
        self.input_size, self.hidden_size = input_size, hidden_size
        self.backend: str | None = None
        rows, bound = len(self.cell.gates) * hidden_size, 1 / math.sqrt(hidden_size)
        self.weight_ih = nn.Parameter(torch.empty(rows, input_size).uniform_(-bound, bound))
        self.weight_hh = nn.Parameter(torch.empty(rows, hidden_size).uniform_(-bound, bound))
        self.bias_ih = nn.Parameter(torch.empty(rows).uniform_(-bound, bound))
        self.bias_hh = nn.Parameter(torch.empty(rows).uniform_(-bound, bound))

    def forward(
        self, x_TBI: Tensor, state: States | None = None, observer: Observer | None = None
    ) -> tuple[Tensor, States]:
        """Run over all timesteps.

        Args:
            x_TBI: input.
            state: initial states, each [B, D], in the order of ``cell.states``; None for zeros.
            observer: told the gradient of every timestep whenever a backward pass comes through this call.

        Returns:
            Output [T, B, D] and the final states.
        """
        if state is None:
            zeros_BD = x_TBI.new_zeros(x_TBI.shape[1], self.hidden_size)
            state = (zeros_BD,) * len(self.cell.states)
        weights = Weights(self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        backend = BACKENDS[self.backend or choose_backend(self.cell, x_TBI.device)]
        return backend(self.cell, x_TBI, state, weights, observer if torch.is_grad_enabled() else None)

    def extra_repr(self) -> str:
        return f"{self.cell.name}, {self.input_size}, {self.hidden_size}"

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Recurrence:
        """After a move to a GPU, cuDNN wants the weights in one piece."""
        super()._apply(fn, recurse)
        fused.flatten(self.cell, [self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh])
        return self
