"""The compiled kernels under autograd: tensors in, tensors out, every gradient told to an observer.

Shapes: T time, B batch, I input, D hidden, G rows of a weight matrix (gates times D). ``rz`` and ``n`` are the gates of
a GRU as ``kernels.py`` keeps them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from seqablate.engine.call import Weights
from seqablate.engine.cells import Cell, States
from seqablate.engine.gradients import Gradients, Observer

Array = np.ndarray[Any, Any]
SHARD = 8  # samples: what a kernel takes at once


@cache
def available() -> bool:
    """Whether numba is there to compile the kernels."""
    return find_spec("numba") is not None


def run(cell: Cell, x_TBI: Tensor, states: States, w: Weights, observer: Observer | None) -> tuple[Tensor, States]:
    """Run a fused cell on a CPU, in float32 or float64; see :class:`seqablate.engine.recurrence.Recurrence`.

    With more than one torch thread the batch is cut into shards that run side by side.
    """
    assert w.b_ih is not None and w.b_hh is not None  # a Recurrence has both
    tensors = (x_TBI, *states, w.w_ih, w.w_hh, w.b_ih, w.b_hh)
    if not torch.is_grad_enabled():
        over_time, _, _ = _forward(cell, tensors, keep=False)
        return over_time[0], tuple(state[-1] for state in over_time)
    # Observed, a backward pass has to come here even when neither input nor weights require a gradient.
    anchor = None if observer is None else torch.zeros((), requires_grad=True)
    output, *final = _Kernel.apply(cell, observer, anchor, *tensors)
    return output, tuple(final)


def prepare(cell: Cell, dtype: torch.dtype, announce: Callable[[], None]) -> None:
    """Have the kernels of a cell ready; ``announce`` is called if they have to be compiled first, which takes seconds.

    They are compiled once for each processor and kept on disk.
    """
    from numba.core import event

    class Compiling(event.Listener):
        def __init__(self) -> None:
            self.seen = False

        def on_start(self, event: Any) -> None:
            if not self.seen:
                self.seen = True
                announce()

        def on_end(self, event: Any) -> None:
            pass

    D = 1
    weights = [torch.zeros(len(cell.gates) * D, *columns, dtype=dtype, requires_grad=True) for columns in SMALLEST]
    with event.install_listener("numba:compile", Compiling()):
        states = tuple(torch.zeros(1, D, dtype=dtype) for _ in cell.states)
        output, _ = run(cell, torch.zeros(1, 1, 1, dtype=dtype), states, Weights(*weights), None)
        output.sum().backward()


SMALLEST: tuple[tuple[int, ...], ...] = ((1,), (1,), (), ())  # columns of w_ih, w_hh, b_ih, b_hh for I = D = 1


@dataclass(frozen=True, slots=True, eq=False)
class _Call:
    """What both passes of one call share. All arrays are contiguous.

    Attributes:
        x: [T, B, I].
        states: the initial ones, each [B, D].
        weights: w_ih, w_hh, b_ih, b_hh as in torch.
        over_time: every state at every step, each [T, B, D]; filled by the forward pass.
        gates: what the forward pass leaves of the gates for the backward pass.
        keep: whether there will be a backward pass.
    """

    x: Array
    states: list[Array]
    weights: list[Array]
    over_time: list[Array]
    gates: list[Array]
    keep: bool

    @classmethod
    def of(cls, tensors: Sequence[Tensor], over_time: Sequence[Tensor], samples: slice, keep: bool = True) -> _Call:
        """The call of ``tensors`` (x, states, weights), for some samples of its batch."""
        count = len(over_time)
        x, *rest = (tensor.detach() for tensor in tensors)
        return cls(
            _array(x[:, samples]),
            [_array(state[samples]) for state in rest[:count]],
            [_array(weight) for weight in rest[count:]],
            [_array(state[:, samples]) for state in over_time],
            [],
            keep,
        )

    @property
    def blocks(self) -> tuple[slice, ...]:
        """The rows of the weights that a kernel keeps together."""
        rows, D = self.weights[1].shape
        return (slice(0, 2 * D), slice(2 * D, 3 * D)) if rows == 3 * D else (slice(0, rows),)


@dataclass(frozen=True, slots=True, eq=False)
class _Backward:
    """What a backward kernel is given and what it fills; see the head of ``kernels.py``."""

    d_out: Array
    d_final: list[Array]
    d_states: list[Array]
    d_x: Array
    norms: Array
    vectors: Array

    @classmethod
    def of(
        cls,
        call: _Call,
        d_output: Tensor | None,
        d_final: Sequence[Tensor | None],
        samples: slice,
        d_x: bool,
        observer: Observer | None,
    ) -> _Backward:
        (T, B, D), dtype, count = call.over_time[0].shape, call.x.dtype, len(call.states)
        seen = 0 if observer is None else count
        kept = 0 if observer is None or not observer.vectors else count
        return cls(
            d_out=np.zeros((0, B, D), dtype) if d_output is None else _array(d_output[:, samples]),
            d_final=[np.zeros((B, D), dtype) if d is None else _array(d[samples]) for d in d_final],
            d_states=[np.zeros((B, width), dtype) for width in (kernels().padded(D, dtype), D)[:count]],
            d_x=np.zeros((T if d_x else 0, *call.x.shape[1:]), dtype),
            norms=np.zeros((seen, 2, T, B)),
            vectors=np.zeros((kept, 2, T, B, D), dtype),
        )


class _Kernel(torch.autograd.Function):
    """One call of a forward kernel, and of its backward kernel; one of each for every shard of the batch."""

    @staticmethod
    def forward(
        ctx: Any, cell: Cell, observer: Observer | None, anchor: Tensor | None, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        over_time, shards, calls = _forward(cell, tensors, keep=True)
        ctx.cell, ctx.observer, ctx.shards, ctx.gates = cell, observer, shards, [call.gates for call in calls]
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors, *over_time)
        return over_time[0], *(state[-1].clone() for state in over_time)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_output: Tensor | None, *d_final: Tensor | None) -> tuple[Tensor | None, ...]:
        count, observer, wants_d_x = len(ctx.cell.states), ctx.observer, ctx.needs_input_grad[3]
        tensors, over_time = ctx.saved_tensors[:-count], ctx.saved_tensors[-count:]
        calls = [_Call.of(tensors, over_time, samples) for samples in ctx.shards]
        for call, gates in zip(calls, ctx.gates, strict=True):
            call.gates.extend(gates)
        parts = [
            _Backward.of(call, d_output, d_final, samples, wants_d_x, observer)
            for call, samples in zip(calls, ctx.shards, strict=True)
        ]
        d_weights = [_sum(found) for found in zip(*_each(BACKWARD[ctx.cell.name], calls, parts), strict=True)]
        if observer is not None:
            observer.receive(_gradients(ctx.cell, observer, parts))
        D = over_time[0].shape[2]
        d_x = _join([part.d_x for part in parts], 1) if wants_d_x else None
        d_states = (_join([part.d_states[k][:, :D] for part in parts], 0) for k in range(count))
        return None, None, None, d_x, *d_states, *map(torch.from_numpy, d_weights)


def _forward(cell: Cell, tensors: Sequence[Tensor], keep: bool) -> tuple[list[Tensor], list[slice], list[_Call]]:
    """Every state at every step [T, B, D], and the shards that were run."""
    x, *rest = tensors
    over_time = [x.new_empty(len(x), *state.shape) for state in rest[: len(cell.states)]]
    shards = _shards(x.shape[1])
    calls = [_Call.of(tensors, over_time, samples, keep) for samples in shards]
    _each(FORWARD[cell.name], calls)
    if len(shards) > 1:  # each has filled arrays of its own
        for k, state in enumerate(over_time):
            torch.cat([torch.from_numpy(call.over_time[k]) for call in calls], dim=1, out=state)
    return over_time, shards, calls


def _array(tensor: Tensor) -> Array:
    return tensor.detach().contiguous().numpy()


def _sum(arrays: Sequence[Array]) -> Array:
    return arrays[0] if len(arrays) == 1 else np.sum(arrays, axis=0)


def _join(arrays: Sequence[Array], axis: int) -> Tensor:
    return torch.from_numpy(arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis))


def _gradients(cell: Cell, observer: Observer, parts: Sequence[_Backward]) -> Gradients:
    names = cell.states if observer.cell_states else cell.states[:1]
    norms = _join([part.norms for part in parts], 3)
    vectors = _join([part.vectors for part in parts], 3)

    def by_state(values: Tensor, kind: int) -> dict[str, Tensor]:
        return {name: values[k, kind] for k, name in enumerate(names) if len(values)}

    return Gradients(*(by_state(values, kind) for values in (vectors, norms) for kind in (0, 1)))


@cache
def kernels() -> Any:
    """The module of kernels, imported late: it loads numba."""
    from seqablate.engine import kernels

    return kernels


def _shards(B: int) -> list[slice]:
    """The batch, cut for as many threads as torch may use."""
    blocks = -(-B // SHARD)
    count = max(1, min(torch.get_num_threads(), blocks))
    ends = [min(B, SHARD * (blocks * k // count)) for k in range(count)] + [B]
    return [slice(*ends) for ends in pairwise(ends)]


def _each(work: Callable[..., Any], *arguments: Sequence[Any]) -> list[Any]:
    """``work`` for every shard, in threads where there are several; the kernels leave Python's lock."""
    return list((map if len(arguments[0]) == 1 else _pool().map)(work, *arguments))


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_name_prefix="seqablate-shard")


# --- each cell's arrays, laid out for its kernels ---------------------------------------------------------------------


def _rnn_forward(call: _Call, *, relu: bool) -> None:
    b_ih, b_hh = call.weights[2:]
    kernels().rnn_forward(call.x, *_transposed(call), _row(b_ih + b_hh), *call.states, *call.over_time, relu)


def _rnn_backward(call: _Call, back: _Backward, *, relu: bool) -> list[Array]:
    sums = _Sums(call)
    kernels().rnn_backward(
        call.x, *_weights(call), *call.states, *call.over_time, back.d_out, *back.d_final,
        *back.d_states, back.d_x, *sums.arrays, back.norms, back.vectors, relu,
    )  # fmt: skip
    dw_ih, dw_hh, (d_b,) = sums.weights()
    return [dw_ih, dw_hh, d_b, d_b.copy()]  # two arrays: a clip works on each in place


def _lstm_forward(call: _Call) -> None:
    b_ih, b_hh = call.weights[2:]
    call.gates.append(_over_time(call, len(b_ih)))
    kernels().lstm_forward(
        call.x, *_transposed(call), _row(b_ih + b_hh), *call.states, *call.over_time, *call.gates
    )  # fmt: skip


def _lstm_backward(call: _Call, back: _Backward) -> list[Array]:
    sums = _Sums(call)
    kernels().lstm_backward(
        call.x, *_weights(call), *call.states, *call.over_time, *call.gates, back.d_out, *back.d_final,
        *back.d_states, back.d_x, *sums.arrays, back.norms, back.vectors,
    )  # fmt: skip
    dw_ih, dw_hh, (d_b,) = sums.weights()
    return [dw_ih, dw_hh, d_b, d_b.copy()]


def _gru_forward(call: _Call) -> None:
    (rz, n), (b_ih, b_hh), D = call.blocks, call.weights[2:], call.weights[1].shape[1]
    biases = _row(b_ih[rz] + b_hh[rz]), _row(b_ih[n]), _row(b_hh[n])
    call.gates.extend(_over_time(call, width) for width in (2 * D, D, D))
    kernels().gru_forward(call.x, *_transposed(call), *biases, *call.states, *call.over_time, *call.gates)


def _gru_backward(call: _Call, back: _Backward) -> list[Array]:
    D = call.weights[1].shape[1]
    sums, db_un = _Sums(call), _row(np.zeros(D, call.x.dtype))
    kernels().gru_backward(
        call.x, *_weights(call), *call.states, *call.over_time, *call.gates, back.d_out, *back.d_final,
        *back.d_states, back.d_x, *sums.arrays, db_un, back.norms, back.vectors,
    )  # fmt: skip
    dw_ih, dw_hh, (db_rz, db_n) = sums.weights()
    return [dw_ih, dw_hh, np.concatenate([db_rz, db_n]), np.concatenate([db_rz, db_un[:D]])]


FORWARD: dict[str, Callable[[_Call], None]] = {
    "rnn_tanh": partial(_rnn_forward, relu=False),
    "rnn_relu": partial(_rnn_forward, relu=True),
    "lstm": _lstm_forward,
    "gru": _gru_forward,
}
BACKWARD: dict[str, Callable[[_Call, _Backward], list[Array]]] = {
    "rnn_tanh": partial(_rnn_backward, relu=False),
    "rnn_relu": partial(_rnn_backward, relu=True),
    "lstm": _lstm_backward,
    "gru": _gru_backward,
}


def _weights(call: _Call) -> list[Array]:
    """w_ih by block, w_hh by block, in panels [panel, G, W]."""
    return [_panels(w[block]) for w in call.weights[:2] for block in call.blocks]


def _transposed(call: _Call) -> list[Array]:
    """w_ih^T by block, w_hh^T by block, in panels."""
    return [_panels(w[block].T) for w in call.weights[:2] for block in call.blocks]


def _panels(w: Array) -> Array:
    """[M, N] as panels [panel, M, W], padded with zeros."""
    rows, columns = w.shape
    width = kernels().PANEL_BYTES // w.itemsize
    panels = np.zeros((kernels().padded(columns, w.dtype) // width, rows, width), w.dtype)
    whole = columns // width
    panels[:whole] = w[:, : whole * width].reshape(rows, whole, width).swapaxes(0, 1)
    if whole < len(panels):
        panels[whole, :, : columns - whole * width] = w[:, whole * width :]
    return panels


def _row(b: Array) -> Array:
    """[N], padded with zeros to whole panels."""
    row = np.zeros(kernels().padded(len(b), b.dtype), b.dtype)
    row[: len(b)] = b
    return row


def _over_time(call: _Call, width: int) -> Array:
    T, B, _ = call.x.shape
    steps = T if call.keep else kernels().chunk_length(T, B)
    return np.empty((steps, B, kernels().padded(width, call.x.dtype)), call.x.dtype)


class _Sums:
    """Where a backward kernel adds dW_ih and dW_hh, in panels, and db: by block of gates."""

    def __init__(self, call: _Call) -> None:
        dtype, panel = call.x.dtype, kernels().PANEL_BYTES // call.x.itemsize
        self.widths = [block.stop - block.start for block in call.blocks]
        padded = [kernels().padded(width, dtype) for width in self.widths]
        heights = call.x.shape[2], call.weights[1].shape[1]
        self.weight_arrays = [np.zeros((width // panel, rows, panel), dtype) for rows in heights for width in padded]
        self.bias_arrays = [np.zeros(width, dtype) for width in padded]
        self.arrays = [*self.weight_arrays, *self.bias_arrays]

    def weights(self) -> tuple[Array, Array, list[Array]]:
        """dW_ih [G, I], dW_hh [G, D] and db by block, as torch has them."""
        count = len(self.widths)
        found = [
            np.ascontiguousarray(panels.swapaxes(1, 2)).reshape(-1, panels.shape[1])[: self.widths[k % count]]
            for k, panels in enumerate(self.weight_arrays)
        ]
        ih, hh = (found[0], found[1]) if count == 1 else (np.concatenate(found[:2]), np.concatenate(found[2:]))
        return ih, hh, [d_b[:width] for d_b, width in zip(self.bias_arrays, self.widths, strict=True)]
