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

Runner = Callable[[Cell, Tensor, States, Weights, Observer | None], tuple[Tensor, States]]
BACKENDS: dict[str, Runner] = {"loop": loop.run, "torch": fused.run_cell, "compiled": compiled.run}


def choose_backend(cell: Cell, device: torch.device, dtype: torch.dtype = torch.float32) -> str:
    """The table, for every shape (CONTRIBUTING.md has the measurements behind it).

    ==================  ===========================  ==========
    cell                CPU                          GPU
    ==================  ===========================  ==========
    RNN, LSTM, GRU      compiled (torch: no numba)   torch
    any other           loop                         loop
    ==================  ===========================  ==========
    """
    return next(name for name in ("compiled", "torch", "loop") if refusal(name, cell, device, dtype) is None)


def refusal(backend: str, cell: Cell, device: torch.device, dtype: torch.dtype = torch.float32) -> str | None:
    """Why ``backend`` cannot run ``cell`` on ``device`` in ``dtype``; None when it can."""
    if backend == "loop":
        return None
    if not cell.fused:
        return f"the cell {cell.name} has no kernel: only backend=loop runs it"
    if backend == "compiled" and device.type != "cpu":
        return f"backend=compiled runs on a CPU, not on {device.type}: use backend=torch"
    if backend == "compiled" and dtype not in (torch.float32, torch.float64):
        return f"backend=compiled runs in float32 and float64, not in {dtype}: use backend=torch"
    if backend == "compiled" and not compiled.available():
        return "backend=compiled needs numba, which cannot be imported here: pip install numba"
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
            dtype = module.weight_ih.dtype
            module.backend = choose_backend(module.cell, device, dtype) if backend == "auto" else backend
            if reason := refusal(module.backend, module.cell, device, dtype):
                raise ValueError(reason)
            names.append(module.backend)
    return "+".join(sorted(set(names))) or "none"


def prepare(model: nn.Module, announce: Callable[[str], None]) -> None:
    """Have the code of every recurrence of a model ready, so that the first step does not wait for a compiler.

    Args:
        model: what :func:`set_backend` has seen.
        announce: told what is about to be compiled, such as ``"lstm kernels for float32"``.
    """
    found = {
        (module.cell.name, module.weight_ih.dtype): module.cell
        for module in model.modules()
        if isinstance(module, Recurrence) and module.backend == "compiled"
    }
    for (name, dtype), cell in found.items():
        kernels = f"{name} kernels for {str(dtype).removeprefix('torch.')}"
        compiled.prepare(cell, dtype, partial(announce, kernels))


class Recurrence(nn.Module):
    """One layer and direction of a cell.

    Parameters are torch's: ``weight_ih`` [G*D, I], ``weight_hh`` [G*D, D], ``bias_ih`` and ``bias_hh`` [G*D], with one
    block of D rows per gate, in the order of ``cell.gates``; they start as torch's do, U(-1/sqrt(D), 1/sqrt(D)).

    On the compiled backend, which is a CPU's default, gradients cannot be differentiated again, and ``torch.func`` and
    ``torch.compile`` do not see inside: set ``.backend = "torch"`` for those.

    Args:
        cell: name of a cell in ``CELLS``: ``"rnn_tanh"``, ``"rnn_relu"``, ``"lstm"``, ``"gru"``, ``"mgu"`` ...
        input_size: I.
        hidden_size: D.

    Raises:
        ValueError: no such cell; in a call: an input or a state of the wrong shape, dtype or device.

    Attributes:
        backend: ``"loop"``, ``"torch"`` or ``"compiled"``; None lets :func:`choose_backend` say at each call.

    Example:
        >>> gru = Recurrence("gru", 3, 8)
        >>> output_TBD, (h_n_BD,) = gru(torch.randn(20, 4, 3))
    """

    def __init__(self, cell: str, input_size: int, hidden_size: int) -> None:
        super().__init__()
        if cell not in CELLS:
            raise ValueError(f"there is no cell {cell!r}; there are {', '.join(CELLS)}")
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
        if x_TBI.dim() != 3 or not len(x_TBI):
            raise ValueError(f"{self}: x must be [T, B, {self.input_size}] with a T of 1 or more, not {[*x_TBI.shape]}")
        self._check("x", x_TBI, (*x_TBI.shape[:2], self.input_size))
        if state is None:
            zeros_BD = x_TBI.new_zeros(x_TBI.shape[1], self.hidden_size)
            state = (zeros_BD,) * len(self.cell.states)
        if len(state) != len(self.cell.states):
            raise ValueError(f"{self}: the state must be {len(self.cell.states)} tensors, not {len(state)}")
        for name, tensor in zip(self.cell.states, state, strict=True):
            self._check(f"state {name}", tensor, (x_TBI.shape[1], self.hidden_size))
        weights = Weights(self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        name = self.backend or choose_backend(self.cell, x_TBI.device, x_TBI.dtype)
        if reason := refusal(name, self.cell, x_TBI.device, x_TBI.dtype):
            raise ValueError(f"{self}: {reason}")
        return BACKENDS[name](self.cell, x_TBI, state, weights, observer if torch.is_grad_enabled() else None)

    def _check(self, name: str, tensor: Tensor, shape: tuple[int, ...]) -> None:
        """Refuse what a kernel would misread: they look at memory, not at shapes."""
        like = self.weight_ih
        if tuple(tensor.shape) != shape:
            raise ValueError(f"{self}: {name} must have the shape {list(shape)}, not {list(tensor.shape)}")
        if (tensor.dtype, tensor.device) != (like.dtype, like.device):
            raise ValueError(
                f"{self}: {name} is {tensor.dtype} on {tensor.device}, the weights are {like.dtype} on {like.device}"
            )

    def extra_repr(self) -> str:
        return f"{self.cell.name}, {self.input_size}, {self.hidden_size}"

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Recurrence:
        """After a move to a GPU, cuDNN wants the weights in one piece."""
        super()._apply(fn, recurse)
        fused.flatten(self.cell, [self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh])
        return self
