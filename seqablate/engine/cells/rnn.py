"""Simple recurrence: ``h' = f(W_x x + W_h h + b)``, f = tanh, sigmoid (Elman 1990), relu (Le et al. 2015) or identity.

With the identity the recurrence is linear: ``dh_t / dh_k = W_h^(t-k)`` whatever the input (Pascanu et al. 2013, 2.1).

Shapes: T time, B batch, I input, D hidden. Kernels: ``w_x`` and ``w_h`` are the transposed weights, in panels.
"""

from __future__ import annotations

from collections.abc import Callable
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


def identity(a: Tensor) -> Tensor:
    """``a``."""
    return a


NONLINEARITIES = {"tanh": torch.tanh, "relu": torch.relu, "sigmoid": torch.sigmoid, "identity": identity}
TANH, RELU, SIGMOID, IDENTITY = range(4)  # the same for the kernels: one machine code has all of them


def step(f: Callable[[Tensor], Tensor], x_BI: Tensor, states: States, w: Weights) -> States:
    """``h' = f(W_ih x + b_ih + W_hh h + b_hh)`` (Elman 1990)."""
    (h_BD,) = states
    return (f(w.from_input(x_BI) + w.from_hidden(h_BD)),)


@compiled
def activate(h, a, f):
    """``h = f(a)``: h [B, D], a [B, padded D]."""
    for i in range(h.shape[0]):
        if f == RELU:
            for j in range(h.shape[1]):
                h[i, j] = _ZERO if a[i, j] <= _ZERO else a[i, j]  # NaN passes, as in torch
        elif f == SIGMOID:
            for j in range(h.shape[1]):
                h[i, j] = kernels.sigmoid(a[i, j])
        elif f == IDENTITY:
            for j in range(h.shape[1]):
                h[i, j] = a[i, j]
        else:
            for j in range(h.shape[1]):
                h[i, j] = kernels.tanh(a[i, j])


@compiled
def through(d_a, d_h, h, f):
    """``d_a = d_h * f'(a)``, which is told from h = f(a); ``d_h`` begins anew, at 0. d_a and d_h [B, padded D]."""
    for i in range(h.shape[0]):
        if f == RELU:
            for j in range(h.shape[1]):
                d_a[i, j] = _ZERO if h[i, j] <= _ZERO else d_h[i, j]
        elif f == SIGMOID:
            for j in range(h.shape[1]):
                d_a[i, j] = d_h[i, j] * h[i, j] * (_ONE - h[i, j])
        elif f == IDENTITY:
            for j in range(h.shape[1]):
                d_a[i, j] = d_h[i, j]
        else:
            for j in range(h.shape[1]):
                d_a[i, j] = d_h[i, j] * (_ONE - h[i, j] * h[i, j])
        for j in range(h.shape[1]):
            d_h[i, j] = _ZERO


@compiled
def forward(x, w_x, w_h, b, h0, h, chunk, f, norm_x, norm_h, skip):
    """Fill h [T, B, D]."""
    T, S = h.shape[0], chunk.shape[0]
    before = h0
    for t in range(T):
        s = t % S
        if s == 0:
            n = min(S, T - t)
            kernels.from_input(chunk[:n], x[t : t + n], w_x, b, norm_x, skip, t)
        a, after = chunk[s], h[t]
        kernels.from_hidden(a, before, w_h, norm_h, t)
        activate(after, a, f)
        before = after


@compiled
def backward(
    x, w_ih, w_hh, h0, h, d_out, d_hn, d_h, chunk, direct, d_x, dw_x, dw_h, d_b, ports, f, norm_x, norm_h, skip
):
    """See :class:`seqablate.engine.kernels.arrays.Backward`."""
    T, S = h.shape[0], chunk.shape[0]
    for t in range(T - 1, -1, -1):
        kernels.receive(d_h, direct, d_out, d_hn, skip, t, T, ports)
        d_a = chunk[t % S]
        through(d_a, d_h, h[t], f)
        kernels.to_hidden(d_h, d_a, w_hh, norm_h, t)
        if t % S == 0:
            n = min(S, T - t)
            kernels.to_recurrent_weights(dw_h, kernels.in_front(chunk, norm_h)[:n], h0, h, t)
            kernels.to_input_weights(dw_x, d_b, chunk[:n], x[t : t + n], norm_x, t)
            kernels.to_input(d_x[t : t + n], chunk[:n], w_ih)
            kernels.to_skipped(skip, chunk[:n], t)


def _forward(call: Call, *, f: int) -> None:
    b, norms = kernels.padded_row(call.weights[2] + call.weights[3]), kernels.norms_of(call)
    states = *call.states, *call.over_time, *call.chunks(len(b))
    forward(call.x, *call.transposed(), b, *states, f, *norms, *kernels.skips_of(call))
    call.gates[:] = kernels.kept_of(norms)


def _backward(call: Call, back: Backward, *, f: int) -> list[Array]:
    sums, norms, skips = call.sums(), kernels.norms_of(call, call.gates), kernels.skips_of(call, back)
    D = call.weights[1].shape[1]
    backward(
        call.x, *call.panels(), *call.states, *call.over_time, back.d_out, *back.d_final,
        *back.d_states, *call.chunks(D), back.direct, back.d_x, *sums.arrays, back.ports, f, *norms, *skips,
    )  # fmt: skip
    dw_ih, dw_hh, (d_b,) = sums.weights()
    each = [dw_ih, dw_hh, d_b, d_b.copy()]  # each its own array: a clip works in place
    return [*each, *kernels.d_gains(norms, 1), *kernels.d_skip(skips)]


def _cell(f: int, name: str) -> Cell:
    return Cell(
        f"rnn_{name}",
        ("h",),
        ("h",),
        partial(step, NONLINEARITIES[name]),
        torch=f"rnn_{name}" if f in (TANH, RELU) else None,
        kernels=Kernels(partial(_forward, f=f), partial(_backward, f=f)),
    )


CELLS = tuple(_cell(f, name) for f, name in enumerate(NONLINEARITIES))
