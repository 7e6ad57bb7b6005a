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
from functools import partial
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
    """The table, for every shape (CONTRIBUTING.md has the measurements behind it).

    ==================  ===========================  ==========
    cell                CPU                          GPU
    ==================  ===========================  ==========
    RNN, LSTM, GRU      compiled (torch: no numba)   torch
    any other           loop                         loop
    ==================  ===========================  ==========
    """
    return next(name for name in ("compiled", "torch", "loop") if refusal(name, cell, device) is None)


def refusal(backend: str, cell: Cell, device: torch.device) -> str | None:
    """Why ``backend`` cannot run ``cell`` on ``device``; None when it can."""
    if backend == "loop":
        return None
    if not cell.fused:
        return f"the cell {cell.name} has no kernel: only backend=loop runs it"
    if backend == "compiled" and device.type != "cpu":
        return f"backend=compiled runs on a CPU, not on {device.type}: use backend=torch"
    if backend == "compiled" and not compiled.available():
        return "backend=compiled needs numba, which is not installed: pip install numba, or use backend=torch"
    return None


def set_backend(model: nn.Module, backend: str, device: torch.device) -> str:
    """Fix what runs the recurrences of a model, so that nothing can change it under way.

    Args:
        model: its modules of class :class:`Recurrence` are set.
        backend: a name in ``BACKENDS``, or ``"auto"`` for :func:`choose_backend`.
        device: where the model will run.

    Returns:
        The names in use, joined by ``+`` where recurrences differ; ``"none"`` without any.

    Raises:
        ValueError: a recurrence cannot run there; the message says why and what can.
    """
    names = []
    for module in model.modules():
        if isinstance(module, Recurrence):
            module.backend = choose_backend(module.cell, device) if backend == "auto" else backend
            if reason := refusal(module.backend, module.cell, device):
                raise ValueError(reason)
            names.append(module.backend)
    return "+".join(sorted(set(names))) or "none"


def prepare(model: nn.Module, announce: Callable[[str], None]) -> None:
    """Have the code of every recurrence of a model ready, so that the first step does not wait for a compiler.

    Args:
        model: what :func:`set_backend` has seen.
        announce: told the name of a cell whose kernels are about to be compiled.
    """
    found = {
        (module.cell.name, module.weight_ih.dtype): module.cell
        for module in model.modules()
        if isinstance(module, Recurrence) and module.backend == "compiled"
    }
    for (name, dtype), cell in found.items():
        compiled.prepare(cell, dtype, partial(announce, name))


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
