"""The compiled kernels under autograd: tensors in, tensors out, every gradient told to an observer.

Shapes: T time, B batch, I input, D hidden, G rows of a weight matrix (gates times D). ``_rz`` and ``_n`` are the gates
of a GRU as ``kernels.py`` keeps them.
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
    """Run a fused cell on a CPU, in float32 or float64; see :class:`seqablate.engine.recurrence.Recurrence`."""
    output, *final = _Kernel.apply(cell, observer, x_TBI, *states, w.w_ih, w.w_hh, w.b_ih, w.b_hh)
    return output, tuple(final)


@dataclass(frozen=True, slots=True, eq=False)
class _Call:
    """What both passes of one call share. All arrays are contiguous.

    Attributes:
        x: [T, B, I].
        states: the initial ones, each [B, D].
        w_ih, w_hh, b_ih, b_hh: as in torch.
        over_time: every state at every step, each [T, B, D]; the forward pass fills it, as it does
        gates: what the backward pass wants of the gates.
    """

    x: Array
    states: list[Array]
    w_ih: Array
    w_hh: Array
    b_ih: Array
    b_hh: Array
    over_time: list[Array]
    gates: list[Array]


@dataclass(frozen=True, slots=True, eq=False)
class _Backward:
    """What a backward pass is given and what it makes; see the head of ``kernels.py``."""

    d_out: Array
    d_final: list[Array]
    d_states: list[Array]
    d_x: Array
    norms: Array
    vectors: Array


class _Kernel(torch.autograd.Function):
    """One call of a forward kernel, and of its backward kernel."""

    @staticmethod
    def forward(ctx: Any, cell: Cell, observer: Observer | None, *tensors: Tensor) -> tuple[Tensor, ...]:
        count = len(cell.states)
        x, *rest = tensors
        over_time = [x.new_empty(len(x), *rest[0].shape) for _ in range(count)]
        call = _call(count, tensors, over_time, [])
        FORWARD[cell.name](call)
        ctx.cell, ctx.observer, ctx.gates = cell, observer, call.gates
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors, *over_time)
        return over_time[0], *(state[-1].clone() for state in over_time)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_output: Tensor | None, *d_final: Tensor | None) -> tuple[Tensor | None, ...]:
        count, observer = len(ctx.cell.states), ctx.observer
        tensors = ctx.saved_tensors
        call = _call(count, tensors[:-count], tensors[-count:], ctx.gates)
        (T, B, D), dtype = call.over_time[0].shape, call.x.dtype
        seen = 0 if observer is None else count
        back = _Backward(
            d_out=np.zeros((0, B, D), dtype) if d_output is None else _array(d_output),
            d_final=[np.zeros((B, D), dtype) if d is None else _array(d) for d in d_final],
            d_states=[
                np.zeros((B, kernels().padded(D, dtype)), dtype),
                *(np.zeros((B, D), dtype) for _ in d_final[1:]),
            ],
            d_x=np.zeros(call.x.shape if ctx.needs_input_grad[2] else (0, *call.x.shape[1:]), dtype),
            norms=np.zeros((seen, 2, T, B)),
            vectors=np.zeros((seen if observer is not None and observer.vectors else 0, 2, T, B, D), dtype),
        )
        dw_ih, dw_hh, db_ih, db_hh = BACKWARD[ctx.cell.name](call, back)
        if observer is not None:
            observer.receive(_gradients(ctx.cell, observer, back))
        d_x = torch.from_numpy(back.d_x) if len(back.d_x) else None
        d_states = (torch.from_numpy(d[:, :D]) for d in back.d_states)
        return None, None, d_x, *d_states, *(torch.from_numpy(d) for d in (dw_ih, dw_hh, db_ih, db_hh))


def _call(count: int, tensors: Sequence[Tensor], over_time: Sequence[Tensor], gates: list[Array]) -> _Call:
    x, *rest = map(_array, tensors)
    w_ih, w_hh, b_ih, b_hh = rest[count:]
    return _Call(x, rest[:count], w_ih, w_hh, b_ih, b_hh, [tensor.numpy() for tensor in over_time], gates)


def _array(tensor: Tensor) -> Array:
    return tensor.detach().contiguous().numpy()


def _gradients(cell: Cell, observer: Observer, back: _Backward) -> Gradients:
    names = cell.states if observer.cell_states else cell.states[:1]

    def by_state(values: Array, kind: int) -> dict[str, Tensor]:
        return {name: torch.from_numpy(values[k, kind]) for k, name in enumerate(names) if len(values)}

    return Gradients(*(by_state(values, kind) for values in (back.vectors, back.norms) for kind in (0, 1)))


@cache
def kernels() -> Any:
    """The module of kernels, imported late: it loads numba."""
    from seqablate.engine import kernels

    return kernels


# --- how each cell's arrays are laid out for its kernels --------------------------------------------------------------


def _rnn_forward(call: _Call, *, relu: bool) -> None:
    w = _columns(call.w_ih.T), _columns(call.w_hh.T), _columns(call.b_ih + call.b_hh)
    _each_shard(call, lambda _, lo, hi: kernels().rnn_forward(call.x, *w, *call.states, *call.over_time, relu, lo, hi))


def _rnn_backward(call: _Call, back: _Backward, *, relu: bool) -> tuple[Array, ...]:
    w = _columns(call.w_ih), _columns(call.w_hh)
    sums = _Sums(call, len(call.w_ih))
    _each_shard(
        call,
        lambda shard, lo, hi: kernels().rnn_backward(
            call.x, *w, *call.states, *call.over_time, back.d_out, *back.d_final,
            *back.d_states, back.d_x, *sums.of(shard), back.norms, back.vectors, relu, lo, hi,
        ),
    )  # fmt: skip
    dw_x, dw_h, d_b = sums.total()
    return dw_x.T, dw_h.T, d_b, d_b.copy()  # two tensors: a clip works on each in place


def _lstm_forward(call: _Call) -> None:
    w = _columns(call.w_ih.T), _columns(call.w_hh.T), _columns(call.b_ih + call.b_hh)
    call.gates.append(_over_time(call, len(call.w_ih)))
    _each_shard(
        call,
        lambda _, lo, hi: kernels().lstm_forward(call.x, *w, *call.states, *call.over_time, *call.gates, lo, hi),
    )


def _lstm_backward(call: _Call, back: _Backward) -> tuple[Array, ...]:
    w = _columns(call.w_ih), _columns(call.w_hh)
    sums = _Sums(call, len(call.w_ih))
    _each_shard(
        call,
        lambda shard, lo, hi: kernels().lstm_backward(
            call.x, *w, *call.states, *call.over_time, *call.gates, back.d_out, *back.d_final,
            *back.d_states, back.d_x, *sums.of(shard), back.norms, back.vectors, lo, hi,
        ),
    )  # fmt: skip
    dw_x, dw_h, d_b = sums.total()
    return dw_x.T, dw_h.T, d_b, d_b.copy()  # two tensors: a clip works on each in place


def _gru_forward(call: _Call) -> None:
    rz, n = _gru_blocks(call)
    w = [_columns(w[block].T) for w in (call.w_ih, call.w_hh) for block in (rz, n)]
    b = _columns(call.b_ih[rz] + call.b_hh[rz]), _columns(call.b_ih[n]), _columns(call.b_hh[n])
    D = call.w_hh.shape[1]
    call.gates.extend(_over_time(call, width) for width in (2 * D, D, D))
    _each_shard(
        call,
        lambda _, lo, hi: kernels().gru_forward(call.x, *w, *b, *call.states, *call.over_time, *call.gates, lo, hi),
    )


def _gru_backward(call: _Call, back: _Backward) -> tuple[Array, ...]:
    rz, n = _gru_blocks(call)
    w = [_columns(w[block]) for w in (call.w_ih, call.w_hh) for block in (rz, n)]
    D = call.w_hh.shape[1]
    sums = _Sums(call, 2 * D, D)
    un = np.zeros((sums.shards, kernels().padded(D, call.x.dtype)), call.x.dtype)
    _each_shard(
        call,
        lambda shard, lo, hi: kernels().gru_backward(
            call.x, *w, *call.states, *call.over_time, *call.gates, back.d_out, *back.d_final,
            *back.d_states, back.d_x, *sums.of(shard), un[shard], back.norms, back.vectors, lo, hi,
        ),
    )  # fmt: skip
    dwx_rz, dwx_n, dwh_rz, dwh_n, db_rz, db_n = sums.total()
    return (
        np.concatenate([dwx_rz.T, dwx_n.T]),
        np.concatenate([dwh_rz.T, dwh_n.T]),
        np.concatenate([db_rz, db_n]),
        np.concatenate([db_rz, un.sum(0)[:D]]),
    )


def _gru_blocks(call: _Call) -> tuple[slice, slice]:
    D = call.w_hh.shape[1]
    return slice(0, 2 * D), slice(2 * D, 3 * D)


FORWARD: dict[str, Callable[[_Call], None]] = {
    "rnn_tanh": partial(_rnn_forward, relu=False),
    "rnn_relu": partial(_rnn_forward, relu=True),
    "lstm": _lstm_forward,
    "gru": _gru_forward,
}
BACKWARD: dict[str, Callable[[_Call, _Backward], tuple[Array, ...]]] = {
    "rnn_tanh": partial(_rnn_backward, relu=False),
    "rnn_relu": partial(_rnn_backward, relu=True),
    "lstm": _lstm_backward,
    "gru": _gru_backward,
}


# --- padding and shards -----------------------------------------------------------------------------------------------


def _columns(w: Array) -> Array:
    """``w``, contiguous, its last axis padded with zeros to whole vectors."""
    width = w.shape[-1]
    rows = np.zeros((*w.shape[:-1], kernels().padded(width, w.dtype)), w.dtype)
    rows[..., :width] = w
    return rows


def _over_time(call: _Call, width: int) -> Array:
    T, B, _ = call.x.shape
    return np.empty((T, B, kernels().padded(width, call.x.dtype)), call.x.dtype)


class _Sums:
    """dW_ih^T [I, width], dW_hh^T [D, width] and db [width] for each block of gates; one of each for every shard."""

    def __init__(self, call: _Call, *widths: int) -> None:
        self.widths, self.shards = widths * 3, len(_shards(call))
        dtype = call.x.dtype
        padded = [kernels().padded(width, dtype) for width in widths]
        heights = call.x.shape[2], call.w_hh.shape[1]
        shapes = [(rows, width) for rows in heights for width in padded] + [(width,) for width in padded]
        self.arrays = [np.zeros((self.shards, *shape), dtype) for shape in shapes]

    def of(self, shard: int) -> list[Array]:
        return [array[shard] for array in self.arrays]

    def total(self) -> list[Array]:
        return [array.sum(0)[..., :width] for array, width in zip(self.arrays, self.widths, strict=True)]


def _shards(call: _Call) -> list[tuple[int, int]]:
    """The batch, cut for as many threads as torch may use."""
    B = call.x.shape[1]
    blocks = -(-B // SHARD)
    count = max(1, min(torch.get_num_threads(), blocks))
    ends = [min(B, SHARD * (blocks * k // count)) for k in range(count)] + [B]
    return list(pairwise(ends))


def _each_shard(call: _Call, work: Callable[[int, int, int], None]) -> None:
    shards = _shards(call)
    if len(shards) == 1:
        work(0, *shards[0])
    else:
        list(_pool().map(lambda k: work(k, *shards[k]), range(len(shards))))


@cache
def _pool() -> ThreadPoolExecutor:
    """Threads for the shards of a batch; the kernels leave Python's lock."""
    return ThreadPoolExecutor(thread_name_prefix="seqablate-shard")
