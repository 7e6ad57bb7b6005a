"""Simple recurrence: ``h' = f(W_x x + W_h h + b)``, f = tanh (Elman 1990) or relu (Le et al. 2015).

Shapes: T time, B batch, I input, D hidden. Kernels: ``w_x`` and ``w_h`` are the transposed weights, in panels.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from seqablate.engine import kernels
from seqablate.engine.cell import Cell, Kernels, States, Weights
from seqablate.engine.kernels.cache import compiled

if TYPE_CHECKING:
    from seqablate.engine.kernels.arrays import Array, Backward, Call

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)


def tanh_step(x_BI: Tensor, states: States, w: Weights) -> States:
    """``h' = tanh(W_ih x + b_ih + W_hh h + b_hh)`` (Elman 1990)."""
    (h_BD,) = states
    return (torch.tanh(w.from_input(x_BI) + w.from_hidden(h_BD)),)


def relu_step(x_BI: Tensor, states: States, w: Weights) -> States:
    """``h' = relu(W_ih x + b_ih + W_hh h + b_hh)`` (Le et al. 2015)."""
    (h_BD,) = states
    return (torch.relu(w.from_input(x_BI) + w.from_hidden(h_BD)),)


@compiled
def forward(x, w_x, w_h, b, h0, h, relu):
    """Fill h [T, B, D]."""
    T, B, D = h.shape
    S = kernels.chunk_length(T, B)
    chunk = np.empty((S, B, b.shape[0]), x.dtype)
    before = h0
    for t in range(T):
        s = t % S
        if s == 0:
            n = min(S, T - t)
            kernels.from_input(chunk[:n], x[t : t + n], w_x, b)
        a, after = chunk[s], h[t]
        kernels.add_product(a, before, w_h)
        for i in range(B):
            if relu:
                for j in range(D):
                    after[i, j] = _ZERO if a[i, j] <= _ZERO else a[i, j]
            else:
                for j in range(D):
                    after[i, j] = kernels.tanh(a[i, j])
        before = after


@compiled
def backward(x, w_ih, w_hh, h0, h, d_out, d_hn, d_h, d_x, dw_x, dw_h, d_b, ports, relu):
    """See :class:`seqablate.engine.kernels.arrays.Backward`."""
    T, B, D = h.shape
    S = kernels.chunk_length(T, B)
    chunk = np.zeros((S, B, d_b.shape[0]), x.dtype)
    direct = np.empty((B, D), x.dtype)
    for t in range(T - 1, -1, -1):
        kernels.receive(d_h, direct, d_out, d_hn, t, T, ports)
        d_a, after = chunk[t % S], h[t]
        for i in range(B):
            if relu:
                for j in range(D):
                    d_a[i, j] = _ZERO if after[i, j] <= _ZERO else d_h[i, j]  # NaN passes, as in torch
                    d_h[i, j] = _ZERO
            else:
                for j in range(D):
                    d_a[i, j] = d_h[i, j] * (_ONE - after[i, j] * after[i, j])
                    d_h[i, j] = _ZERO
        kernels.add_product(d_h, d_a[:, :D], w_hh)
        if t % S == 0:
            n = min(S, T - t)
            kernels.to_input_weights(dw_x, d_b, chunk[:n], x[t : t + n])
            kernels.to_recurrent_weights(dw_h, chunk[:n], h0, h, t)
            kernels.to_input(d_x[t : t + n], chunk[:n], D, w_ih)


def _forward(call: Call, *, relu: bool) -> None:
    b_ih, b_hh = call.weights[2:]
    forward(call.x, *call.transposed(), kernels.padded_row(b_ih + b_hh), *call.states, *call.over_time, relu)


def _backward(call: Call, back: Backward, *, relu: bool) -> list[Array]:
    sums = kernels.Sums(call)
    backward(
        call.x, *call.panels(), *call.states, *call.over_time, back.d_out, *back.d_final,
        *back.d_states, back.d_x, *sums.arrays, back.ports, relu,
    )  # fmt: skip
    dw_ih, dw_hh, (d_b,) = sums.weights()
    return [dw_ih, dw_hh, d_b, d_b.copy()]  # two arrays: a clip works on each in place


def _kernels(relu: bool) -> Kernels:
    return Kernels(partial(_forward, relu=relu), partial(_backward, relu=relu))


CELLS = (
    Cell("rnn_tanh", ("h",), ("h",), tanh_step, torch="rnn_tanh", kernels=_kernels(relu=False)),
    Cell("rnn_relu", ("h",), ("h",), relu_step, torch="rnn_relu", kernels=_kernels(relu=True)),
)
