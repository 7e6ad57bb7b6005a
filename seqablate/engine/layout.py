"""What a kernel is called with: a call's tensors as numpy arrays, weights in panels, and room for what it makes.

Shapes: T time, B batch, I input, D hidden, G rows of a weight matrix (gates times D), W the width of a panel. ``rz``
and ``n`` are the gates of a GRU as ``kernels.py`` keeps them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
from torch import Tensor

from seqablate.engine.gradients import Carried, Observer

Array = np.ndarray[Any, Any]


@cache
def kernels() -> Any:
    """The module of kernels, imported late: it loads numba."""
    from seqablate.engine import kernels

    return kernels


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """What both passes of one call share. All arrays are contiguous.

    Attributes:
        cell: its name.
        x: [T, B, I].
        states: the initial ones, each [B, D].
        weights: w_ih, w_hh, b_ih, b_hh as in torch.
        over_time: every state at every step, each [T, B, D]; filled by the forward pass.
        gates: what the forward pass leaves of the gates for the backward pass.
        keep: whether there will be a backward pass.
    """

    cell: str
    x: Array
    states: list[Array]
    weights: list[Array]
    over_time: list[Array]
    gates: list[Array]
    keep: bool

    @classmethod
    def of(
        cls, cell: str, tensors: Sequence[Tensor], over_time: Sequence[Tensor], samples: slice, keep: bool = True
    ) -> Call:
        """The call of ``tensors`` (x, states, weights), for some samples of its batch."""
        count = len(over_time)
        x, *rest = (tensor.detach() for tensor in tensors)
        return cls(
            cell,
            _array(x[:, samples]),
            [_array(state[samples]) for state in rest[:count]],
            [_array(weight) for weight in rest[count:]],
            [_array(state[:, samples]) for state in over_time],
            [],
            keep,
        )

    @property
    def blocks(self) -> tuple[slice, ...]:
        """The rows of the weights that a kernel keeps together: of a GRU r and z, and n; of others all."""
        rows, D = self.weights[1].shape
        return (slice(0, 2 * D), slice(2 * D, rows)) if self.cell == "gru" else (slice(0, rows),)


@dataclass(frozen=True, slots=True, eq=False)
class Backward:
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
        call: Call,
        d_output: Tensor | None,
        d_final: Sequence[Tensor | None],
        samples: slice,
        d_x: bool,
        observer: Observer | None,
        carried: Carried = (),
    ) -> Backward:
        """``carried`` is what later calls sent back to the final states, as a part of ``d_final`` (see Observer)."""
        (T, B, D), dtype, count = call.over_time[0].shape, call.x.dtype, len(call.states)
        seen = 0 if observer is None else count
        kept = 0 if observer is None or not observer.vectors else count
        back = cls(
            d_out=np.zeros((0, B, D), dtype) if d_output is None else _array(d_output[:, samples]),
            d_final=[np.zeros((B, D), dtype) if d is None else _array(d[samples]) for d in d_final],
            d_states=[np.zeros((B, width), dtype) for width in (kernels().padded(D, dtype), D)[:count]],
            d_x=np.zeros((T if d_x else 0, *call.x.shape[1:]), dtype),
            norms=np.zeros((seen, 2, T, B)),
            vectors=np.zeros((kept, 2, T, B, D), dtype),
        )
        for k, later in enumerate(carried):
            if later is not None:  # a kernel begins with what flows back to the last step, here from the next call
                back.d_states[k][:, :D] = _array(later[samples])
                back.d_final[k] = back.d_final[k] - back.d_states[k][:, :D]
        return back


def _array(tensor: Tensor) -> Array:
    return tensor.detach().contiguous().numpy()


# --- each cell's arrays, laid out for its kernels ---------------------------------------------------------------------


def _rnn_forward(call: Call, *, relu: bool) -> None:
    b_ih, b_hh = call.weights[2:]
    kernels().rnn_forward(call.x, *_transposed(call), _padded(b_ih + b_hh), *call.states, *call.over_time, relu)


def _rnn_backward(call: Call, back: Backward, *, relu: bool) -> list[Array]:
    sums = _Sums(call)
    kernels().rnn_backward(
        call.x, *_weights(call), *call.states, *call.over_time, back.d_out, *back.d_final,
        *back.d_states, back.d_x, *sums.arrays, back.norms, back.vectors, relu,
    )  # fmt: skip
    dw_ih, dw_hh, (d_b,) = sums.weights()
    return [dw_ih, dw_hh, d_b, d_b.copy()]  # two arrays: a clip works on each in place


def _lstm_forward(call: Call) -> None:
    b_ih, b_hh = call.weights[2:]
    call.gates.append(_over_time(call, len(b_ih)))
    kernels().lstm_forward(
        call.x, *_transposed(call), _padded(b_ih + b_hh), *call.states, *call.over_time, *call.gates
    )  # fmt: skip


def _lstm_backward(call: Call, back: Backward) -> list[Array]:
    sums = _Sums(call)
    kernels().lstm_backward(
        call.x, *_weights(call), *call.states, *call.over_time, *call.gates, back.d_out, *back.d_final,
        *back.d_states, back.d_x, *sums.arrays, back.norms, back.vectors,
    )  # fmt: skip
    dw_ih, dw_hh, (d_b,) = sums.weights()
    return [dw_ih, dw_hh, d_b, d_b.copy()]


def _gru_forward(call: Call) -> None:
    (rz, n), (b_ih, b_hh), D = call.blocks, call.weights[2:], call.weights[1].shape[1]
    biases = _padded(b_ih[rz] + b_hh[rz]), _padded(b_ih[n]), _padded(b_hh[n])
    call.gates.extend(_over_time(call, width) for width in (2 * D, D, D))
    kernels().gru_forward(call.x, *_transposed(call), *biases, *call.states, *call.over_time, *call.gates)


def _gru_backward(call: Call, back: Backward) -> list[Array]:
    D = call.weights[1].shape[1]
    sums, db_un = _Sums(call), _padded(np.zeros(D, call.x.dtype))
    kernels().gru_backward(
        call.x, *_weights(call), *call.states, *call.over_time, *call.gates, back.d_out, *back.d_final,
        *back.d_states, back.d_x, *sums.arrays, db_un, back.norms, back.vectors,
    )  # fmt: skip
    dw_ih, dw_hh, (db_rz, db_n) = sums.weights()
    return [dw_ih, dw_hh, np.concatenate([db_rz, db_n]), np.concatenate([db_rz, db_un[:D]])]


FORWARD: dict[str, Callable[[Call], None]] = {
    "rnn_tanh": partial(_rnn_forward, relu=False),
    "rnn_relu": partial(_rnn_forward, relu=True),
    "lstm": _lstm_forward,
    "gru": _gru_forward,
}
BACKWARD: dict[str, Callable[[Call, Backward], list[Array]]] = {
    "rnn_tanh": partial(_rnn_backward, relu=False),
    "rnn_relu": partial(_rnn_backward, relu=True),
    "lstm": _lstm_backward,
    "gru": _gru_backward,
}


def _weights(call: Call) -> list[Array]:
    """w_ih by block, w_hh by block, in panels [panel, G, W]."""
    return [panels(w[block]) for w in call.weights[:2] for block in call.blocks]


def _transposed(call: Call) -> list[Array]:
    """w_ih^T by block, w_hh^T by block, in panels."""
    return [panels(w[block].T) for w in call.weights[:2] for block in call.blocks]


def panels(w: Array) -> Array:
    """[M, N] as panels [panel, M, W], padded with zeros."""
    rows, columns = w.shape
    width = kernels().PANEL_BYTES // w.itemsize
    found = np.zeros((kernels().padded(columns, w.dtype) // width, rows, width), w.dtype)
    whole = columns // width
    found[:whole] = w[:, : whole * width].reshape(rows, whole, width).swapaxes(0, 1)
    if whole < len(found):
        found[whole, :, : columns - whole * width] = w[:, whole * width :]
    return found


def _padded(b: Array) -> Array:
    """[N], padded with zeros to whole panels."""
    row = np.zeros(kernels().padded(len(b), b.dtype), b.dtype)
    row[: len(b)] = b
    return row


def _over_time(call: Call, width: int) -> Array:
    T, B, _ = call.x.shape
    steps = T if call.keep else kernels().chunk_length(T, B)
    return np.empty((steps, B, kernels().padded(width, call.x.dtype)), call.x.dtype)


class _Sums:
    """Where a backward kernel adds dW_ih and dW_hh, in panels, and db: by block of gates."""

    def __init__(self, call: Call) -> None:
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
            np.ascontiguousarray(sums.swapaxes(1, 2)).reshape(-1, sums.shape[1])[: self.widths[k % count]]
            for k, sums in enumerate(self.weight_arrays)
        ]
        ih, hh = (found[0], found[1]) if count == 1 else (np.concatenate(found[:2]), np.concatenate(found[2:]))
        return ih, hh, [d_b[:width] for d_b, width in zip(self.bias_arrays, self.widths, strict=True)]
