"""One layer and direction of any cell, on the backend that suits it.

Three backends, one meaning; tests hold them equal.

    loop      the cell's formula, step by step, under autograd: any cell, any device, slow
    torch     torch's own fused kernels (cuDNN on a GPU); observed, with zero channels (backends/torch.py)
    compiled  whole sequences in one compiled function with its own backward pass (kernels/): CPU

Shapes: T time, B batch, I input, D hidden, G gates, d dilation, k steps skipped.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from seqablate.engine.backends import compiled, dilated, loop
from seqablate.engine.backends import torch as torch_kernels
from seqablate.engine.backends.runner import Runner
from seqablate.engine.cell import Cell, Linear, States, Weights
from seqablate.engine.cells import CELLS
from seqablate.engine.ports import Clipping, Observer, Ports, StateClip, together

BACKENDS: dict[str, Runner] = {"loop": loop.run, "torch": torch_kernels.run_cell, "compiled": compiled.run}


def choose_backend(recurrence: Recurrence, device: torch.device, clip: StateClip | None = None) -> str:
    """The table, for every shape (scripts/README.md has the measurements behind it).

    ==========================  ===========================  ==========
    cell                        CPU                          GPU
    ==========================  ===========================  ==========
    RNN, LSTM, GRU              compiled (torch: no numba)   torch
    RNN of sigmoid, identity    compiled (loop: no numba)    loop
    MGU, LSTM without a part    compiled (loop: no numba)    loop
    h' = a h + b (a scan)       compiled (loop: no numba)    loop
    layer_norm                  compiled (loop: no numba)    loop
    time_skip, but of a scan    compiled (loop: no numba)    loop
    any other                   loop                         loop
    ==========================  ===========================  ==========

    A dilation changes nothing here. Where states are clipped, the loop stands for torch.
    """
    return next(name for name in ("compiled", "torch", "loop") if refusal(name, recurrence, device, clip) is None)


def refusal(backend: str, recurrence: Recurrence, device: torch.device, clip: StateClip | None = None) -> str | None:
    """Why ``backend`` cannot run a recurrence on ``device``, its states clipped by ``clip``; None when it can."""
    dtype = recurrence.weight_ih.dtype
    if backend == "loop":
        return None
    if reason := _missing(backend, recurrence.cell):
        return reason
    if recurrence.time_skip and backend == "torch":
        return "torch's kernels have no skip over time: use backend=compiled (on a CPU) or loop"
    if recurrence.time_skip and isinstance(recurrence.cell.step, Linear):
        return f"the kernel of the cell {recurrence.cell.name} has no skip over time: only backend=loop runs it"
    if recurrence.layer_norm and backend == "torch":
        return "torch's kernels have no layer norm inside the cell: use backend=compiled (on a CPU) or loop"
    if clip is not None and backend == "torch":
        return "backend=torch cannot clip the gradients inside of torch's kernels: use backend=auto, or loop"
    if clip is not None and not hasattr(clip, "rows"):
        return f"{type(clip).__name__} has no form for compiled kernels: only backend=loop runs it"
    if backend == "compiled" and device.type != "cpu":
        return f"backend=compiled runs on a CPU, not on {device.type}: use backend=torch"
    if backend == "compiled" and dtype not in (torch.float32, torch.float64):
        return f"backend=compiled runs in float32 and float64, not in {dtype}: use backend=torch"
    if backend == "compiled" and not compiled.available():
        return "backend=compiled needs numba, which cannot be imported here: pip install numba"
    return None


def _missing(backend: str, cell: Cell) -> str | None:
    """Why there is no kernel of a cell."""
    if cell.torch is None and cell.kernels is None:
        return f"the cell {cell.name} has no kernel: only backend=loop runs it"
    if backend == "torch" and cell.torch is None:
        return f"torch has no kernel of the cell {cell.name}: use backend=compiled (on a CPU) or loop"
    if backend == "compiled" and cell.kernels is None:
        return f"the cell {cell.name} has no compiled kernel: use backend=torch or loop"
    return None


class Recurrence(nn.Module):
    """One layer and direction of a cell.

    Parameters are torch's: ``weight_ih`` [G*D, I], ``weight_hh`` [G*D, D], ``bias_ih`` and ``bias_hh`` [G*D], with one
    block of D rows per gate, in the order of ``cell.gates``; they start as torch's do, U(-1/sqrt(D), 1/sqrt(D)). Of a
    cell that is diagonal ``weight_hh`` is [G*D]. It, and a cell whose gates see the input alone, lack what has no use.

    On the compiled backend, which is a CPU's default, gradients cannot be differentiated again, and ``torch.func`` and
    ``torch.compile`` do not see inside: set ``.backend = "torch"`` for those.

    Args:
        cell: name of a cell in ``CELLS``: ``"rnn_tanh"``, ``"rnn_relu"``, ``"lstm"``, ``"gru"``, ``"mgu"`` ...; or a
            cell of one's own.
        input_size: I.
        hidden_size: D.
        time_skip: k of 2 or more: every gate also sees h_{t-k} (zero before the start) through a matrix of its own,
            ``weight_skip`` [G*D, D]; a GRU's candidate outside of the reset gate. As in a NARX network (Lin et al.
            1996); a gradient reaches h_{t-n} in n/k steps (Zhang et al. 2016, recurrent skip coefficient).
        dilation: d of 2 or more: a step reads the states of step t-d, not of t-1 (Chang et al. 2017, eq. 1). Any
            backend runs it, as d sequences side by side.
        layer_norm: ``LN(W_ih x) + LN(W_hh h)`` instead of each sum, and ``h' = o tanh(LN(c'))``, with gains that
            start at 1: ``norm_ih_weight`` and ``norm_hh_weight`` [G*D], ``norm_c_weight`` and ``norm_c_bias`` [D] (Ba
            et al. 2016, eq. 20-22). ``bias_ih`` and ``bias_hh`` stand for the paper's beta and b. A norm is over all
            gates at once, but for a GRU's and an MGU's candidate, which has its own (as the paper's GRU). For an RNN
            too there are two norms, where the paper's eq. 4 has one, of the sum. With ``time_skip`` the first is of
            ``W_ih x + W_skip h_{t-k}``.

    Raises:
        ValueError: no such cell or option; in a call: an input or a state of the wrong shape, dtype or device.

    Attributes:
        backend: ``"loop"``, ``"torch"`` or ``"compiled"``; None lets :func:`choose_backend` say at each call.
        clipping: what clips the gradients of states, set by :func:`~seqablate.engine.setup.clipped_states`; or None.
        watcher: an observer of every call, set by :func:`~seqablate.engine.setup.watched`; or None.

    Example:
        >>> gru = Recurrence("gru", 3, 8)
        >>> output_TBD, (h_n_BD,) = gru(torch.randn(20, 4, 3))
    """

    def __init__(
        self,
        cell: str | Cell,
        input_size: int,
        hidden_size: int,
        *,
        time_skip: int = 0,
        dilation: int = 1,
        layer_norm: bool = False,
    ) -> None:
        super().__init__()
        if isinstance(cell, str) and cell not in CELLS:
            raise ValueError(f"there is no cell {cell!r}; there are {', '.join(CELLS)}")
        if time_skip == 1 or time_skip < 0:
            raise ValueError(
                f"time_skip={time_skip}: must be 2 or more (every step reads the one before), or 0 for none"
            )
        if dilation < 1:
            raise ValueError(f"dilation={dilation}: must be 1 or more")
        if time_skip and dilation > 1:
            raise ValueError(f"time_skip={time_skip} with dilation={dilation}: give one of the two")
        self.cell = CELLS[cell] if isinstance(cell, str) else cell
        self.input_size, self.hidden_size = input_size, hidden_size
        self.time_skip, self.dilation, self.layer_norm = time_skip, dilation, layer_norm
        self.backend: str | None = None
        self.clipping: Clipping | None = None
        self.watcher: Observer | None = None
        rows, bound = len(self.cell.gates) * hidden_size, 1 / math.sqrt(hidden_size)
        full, diagonal = self.cell.recurrent == "full", self.cell.recurrent == "diagonal"
        self.weight_ih = nn.Parameter(torch.empty(rows, input_size).uniform_(-bound, bound))
        if full or diagonal:
            columns = (hidden_size,) if full else ()
            self.weight_hh = nn.Parameter(torch.empty(rows, *columns).uniform_(-bound, bound))
        self.bias_ih = nn.Parameter(torch.empty(rows).uniform_(-bound, bound))
        if full:
            self.bias_hh = nn.Parameter(torch.empty(rows).uniform_(-bound, bound))
        if time_skip:
            self.weight_skip = nn.Parameter(torch.empty(rows, hidden_size).uniform_(-bound, bound))
        if layer_norm:
            self.norm_ih_weight = nn.Parameter(torch.ones(rows))
        if layer_norm and full:
            self.norm_hh_weight = nn.Parameter(torch.ones(rows))
        if layer_norm and "c" in self.cell.states:
            self.norm_c_weight = nn.Parameter(torch.ones(hidden_size))
            self.norm_c_bias = nn.Parameter(torch.zeros(hidden_size))

    def forward(
        self, x_TBI: Tensor, state: States | None = None, observer: Observer | None = None
    ) -> tuple[Tensor, States]:
        """Run over all timesteps.

        Args:
            x_TBI: input.
            state: what a call before this one returned; None for zeros. It is one [B, D] for each of ``cell.states``;
                with a dilation each is [d, B, D], that of the next step first; with a time skip h of the last k steps
                comes last, [k, B, D], the oldest first.
            observer: told the gradient of every timestep whenever a backward pass comes through this call.

        Returns:
            Output [T, B, D] and the final states. h of the last step is ``output[-1]``, whatever the options.
        """
        if x_TBI.dim() != 3 or not len(x_TBI):
            raise ValueError(f"{self}: x must be [T, B, {self.input_size}] with a T of 1 or more, not {[*x_TBI.shape]}")
        self._check("x", x_TBI, (*x_TBI.shape[:2], self.input_size))
        shapes = self._state_shapes(x_TBI.shape[1])
        if state is None:
            state = tuple(x_TBI.new_zeros(shape) for shape in shapes.values())
        if len(state) != len(shapes):
            raise ValueError(f"{self}: the state must be {len(shapes)} tensors, not {len(state)}")
        for (name, shape), tensor in zip(shapes.items(), state, strict=True):
            self._check(f"state {name}", tensor, shape)
        return self._runner(x_TBI.device)(self.cell, x_TBI, state, self._weights(), self._ports(observer))

    def _ports(self, observer: Observer | None) -> Ports:
        """Without gradients nobody can look at them or change them."""
        return Ports(together(observer, self.watcher), self.clipping) if torch.is_grad_enabled() else Ports()

    def _runner(self, device: torch.device) -> Runner:
        clip = None if self.clipping is None else self.clipping.clip
        name = self.backend or choose_backend(self, device, clip)
        if reason := refusal(name, self, device, clip):
            raise ValueError(f"{self}: {reason}")
        return BACKENDS[name] if self.dilation == 1 else partial(dilated.run, BACKENDS[name])

    def _state_shapes(self, B: int) -> dict[str, tuple[int, ...]]:
        shape = (B, self.hidden_size) if self.dilation == 1 else (self.dilation, B, self.hidden_size)
        shapes: dict[str, tuple[int, ...]] = dict.fromkeys(self.cell.states, shape)
        return shapes | ({"h of the last steps": (self.time_skip, B, self.hidden_size)} if self.time_skip else {})

    def _weights(self) -> Weights:
        full = self.cell.recurrent == "full"
        w_hh = self.weight_ih.new_empty(0) if self.cell.recurrent == "none" else self.weight_hh
        w = Weights(self.weight_ih, w_hh, self.bias_ih, self.bias_hh if full else None)
        if self.time_skip:
            w = w._replace(w_skip=self.weight_skip)
        if self.layer_norm:
            w = w._replace(gain_ih=self.norm_ih_weight, gain_hh=self.norm_hh_weight if full else None)
        if self.layer_norm and "c" in self.cell.states:
            w = w._replace(gain_c=self.norm_c_weight, b_c=self.norm_c_bias)
        return w

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
        parts = [self.cell.name, str(self.input_size), str(self.hidden_size)]
        if self.time_skip:
            parts.append(f"time_skip={self.time_skip}")
        if self.dilation > 1:
            parts.append(f"dilation={self.dilation}")
        if self.layer_norm:
            parts.append("layer_norm=True")
        return ", ".join(parts)

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Recurrence:
        """After a move to a GPU, cuDNN wants the weights in one piece."""
        super()._apply(fn, recurse)
        if self.cell.recurrent == "full":
            torch_kernels.flatten(self.cell, [self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh])
        return self
