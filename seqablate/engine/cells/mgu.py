"""Minimal gated unit (Zhou et al. 2016): one gate that both forgets and lets in.

The candidate reads ``f h``, so its recurrent product waits for the gate: a step is two products, one after the other.

Shapes: T time, B batch, I input, D hidden. Kernels: ``w_x`` and ``w_h`` are the transposed weights, in panels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from seqablate.engine import kernels
from seqablate.engine.cell import Cell, Kernels, States, Weights
from seqablate.engine.kernels.cache import compiled

if TYPE_CHECKING:
    from seqablate.engine.kernels.arrays import Array, Backward, Call

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)


def step(x_BI: Tensor, states: States, w_f: Weights, w_n: Weights) -> States:
    """``f = sigmoid(W_f x + U_f h + b_f)``, ``n = tanh(W_n x + U_n (f h) + b_n)`` and ``h' = (1 - f) h + f n``.

    Minimal gated unit (Zhou et al. 2016, eq. 8-10).
    """
    (h_BD,) = states
    f_BD = (w_f.from_input(x_BI) + w_f.from_hidden(h_BD)).sigmoid()
    n_BD = (w_n.from_input(x_BI) + w_n.from_hidden(f_BD * h_BD)).tanh()
    return ((1 - f_BD) * h_BD + f_BD * n_BD,)


@compiled
def forward(
    x, wx_f, wx_n, wh_f, wh_n, b_f, b_n, h0, h, f, n, fh, norm_xf, norm_xn, norm_hf, norm_hn,
    skip_f, skip_n, S,
):  # fmt: skip
    """Fill h [T, B, D], the gate f and the candidate n [.., B, padded D], and ``fh`` = f h_{t-1} [.., B, D].

    The last three hold all timesteps, or one chunk of them, over and over, where no backward pass will ask for them.
    """
    T, B, D = h.shape
    kept = f.shape[0]
    before = h0
    for t in range(T):
        s = t % kept
        if t % S == 0:
            k = min(S, T - t)
            kernels.from_input(f[s : s + k], x[t : t + k], wx_f, b_f, norm_xf, skip_f, t)
            kernels.from_input(n[s : s + k], x[t : t + k], wx_n, b_n, norm_xn, skip_n, t)
        f_t, n_t, fh_t, after = f[s], n[s], fh[s], h[t]
        kernels.from_hidden(f_t, before, wh_f, norm_hf, t)
        for i in range(B):
            for j in range(D):
                f_t[i, j] = kernels.sigmoid(f_t[i, j])
                fh_t[i, j] = f_t[i, j] * before[i, j]
        kernels.from_hidden(n_t, fh_t, wh_n, norm_hn, t)
        for i in range(B):
            for j in range(D):
                n_t[i, j] = kernels.tanh(n_t[i, j])
                after[i, j] = before[i, j] + f_t[i, j] * (n_t[i, j] - before[i, j])
        before = after


@compiled
def backward(
    x, wih_f, wih_n, whh_f, whh_n, h0, h, f, n, fh, d_out, d_hn, d_h, chunk_f, chunk_n, d_fh, direct,
    d_x, dwx_f, dwx_n, dwh_f, dwh_n, db_f, db_n, ports, norm_xf, norm_xn, norm_hf, norm_hn, skip_f, skip_n,
):  # fmt: skip
    """See :class:`seqablate.engine.kernels.arrays.Backward`."""
    T, B, D = h.shape
    S = chunk_n.shape[0]
    for t in range(T - 1, -1, -1):
        kernels.receive(d_h, direct, d_out, d_hn, skip_f, t, T, ports)
        f_t, n_t, before = f[t], n[t], h[t - 1] if t > 0 else h0
        d_f, d_n = chunk_f[t % S], chunk_n[t % S]
        for i in range(B):
            for j in range(D):
                d_n[i, j] = d_h[i, j] * f_t[i, j] * (_ONE - n_t[i, j] * n_t[i, j])
        d_fh[:] = _ZERO
        kernels.to_hidden(d_fh, d_n, whh_n, norm_hn, t)
        for i in range(B):
            for j in range(D):
                g, d = f_t[i, j], d_h[i, j]
                d_f[i, j] = (d * (n_t[i, j] - before[i, j]) + d_fh[i, j] * before[i, j]) * g * (_ONE - g)
                d_h[i, j] = d * (_ONE - g) + d_fh[i, j] * g
        kernels.to_hidden(d_h, d_f, whh_f, norm_hf, t)
        if t % S == 0:
            k = min(S, T - t)
            kernels.to_recurrent_weights(dwh_f, kernels.in_front(chunk_f, norm_hf)[:k], h0, h, t)
            kernels.to_weights(dwh_n, kernels.in_front(chunk_n, norm_hn)[:k], fh[t : t + k])
            kernels.to_input_weights(dwx_f, db_f, chunk_f[:k], x[t : t + k], norm_xf, t)
            kernels.to_input_weights(dwx_n, db_n, chunk_n[:k], x[t : t + k], norm_xn, t)
            kernels.to_input(d_x[t : t + k], chunk_f[:k], wih_f)
            kernels.to_input(d_x[t : t + k], chunk_n[:k], wih_n)
            kernels.to_skipped(skip_f, chunk_f[:k], t)
            kernels.to_skipped(skip_n, chunk_n[:k], t)


def _forward(call: Call) -> None:
    b_ih, b_hh = call.weights[2:4]
    _, B, D = call.over_time[0].shape
    biases = [kernels.padded_row(b_ih[block] + b_hh[block]) for block in call.blocks]
    norms, gates = kernels.norms_of(call), call.rooms(D, D)
    gates.append(np.empty((len(gates[0]), B, D), call.x.dtype))
    arrays = *call.transposed(), *biases, *call.states, *call.over_time, *gates
    forward(call.x, *arrays, *norms, *kernels.skips_of(call), call.chunk)
    call.gates[:] = [*gates, *kernels.kept_of(norms)]


def _backward(call: Call, back: Backward) -> list[Array]:
    D = call.weights[1].shape[1]
    sums, norms, skips = call.sums(), kernels.norms_of(call, call.gates[3:]), kernels.skips_of(call, back)
    backward(
        call.x, *call.panels(), *call.states, *call.over_time, *call.gates[:3], back.d_out, *back.d_final,
        *back.d_states, *call.chunks(D, D), np.empty_like(back.d_states[0]), back.direct, back.d_x, *sums.arrays,
        back.ports, *norms, *skips,
    )  # fmt: skip
    dw_ih, dw_hh, d_b = sums.weights()
    each = [dw_ih, dw_hh, np.concatenate(d_b), np.concatenate(d_b)]
    return [*each, *kernels.d_gains(norms, 2), *kernels.d_skip(skips)]


CELLS = (
    Cell(
        "mgu",
        ("f", "n"),
        ("h",),
        step,
        blocks=(1, 1),
        kernels=Kernels(_forward, _backward),
        memory={"f": -1},  # h' = (1 - f) h + f n
    ),
)
