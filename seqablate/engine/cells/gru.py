"""Gated recurrent unit: ``n = tanh(W_n x + b_n + r (U_n h + b_un))``, ``h' = (1 - z) n + z h`` (Cho et al. 2014).

The reset gate stands where cuDNN has it. What belongs to n is kept apart from r and z (``_rz``, ``_n``): its two
products meet only behind the reset gate.

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


def step(x_BI: Tensor, states: States, w_rz: Weights, w_n: Weights) -> States:
    """``n = tanh(W_n x + b + r (U_n h + b'))`` and ``h' = (1 - z) n + z h`` (Cho et al. 2014, r placed as in cuDNN)."""
    (h_BD,) = states
    r_BD, z_BD = (w_rz.from_input(x_BI) + w_rz.from_hidden(h_BD)).sigmoid().chunk(2, dim=1)
    n_BD = (w_n.from_input(x_BI) + r_BD * w_n.from_hidden(h_BD)).tanh()
    return ((1 - z_BD) * n_BD + z_BD * h_BD,)


@compiled
def forward(
    x, wx_rz, wx_n, wh_rz, wh_n, b_rz, b_n, b_un, h0, h, rz, n, un, norm_xrz, norm_xn, norm_hrz, norm_hn,
    skip_rz, skip_n, S,
):  # fmt: skip
    """Fill h [T, B, D], rz [.., B, padded 2*D], n and ``un`` = U_n h + b_un [.., B, padded D].

    The last three hold all timesteps, or one chunk of them, over and over, where no backward pass will ask for them.
    """
    T, B, D = h.shape
    kept = rz.shape[0]
    before = h0
    for t in range(T):
        s = t % kept
        if t % S == 0:
            k = min(S, T - t)
            kernels.from_input(rz[s : s + k], x[t : t + k], wx_rz, b_rz, norm_xrz, skip_rz, t)
            kernels.from_input(n[s : s + k], x[t : t + k], wx_n, b_n, norm_xn, skip_n, t)
        rz_t, n_t, un_t, after = rz[s], n[s], un[s], h[t]
        for i in range(B):
            for j in range(b_un.shape[0]):
                un_t[i, j] = b_un[j]
        kernels.from_hidden(rz_t, before, wh_rz, norm_hrz, t)
        kernels.from_hidden(un_t, before, wh_n, norm_hn, t)
        for i in range(B):
            for j in range(2 * D):
                rz_t[i, j] = kernels.sigmoid(rz_t[i, j])
            for j in range(D):
                n_t[i, j] = kernels.tanh(n_t[i, j] + rz_t[i, j] * un_t[i, j])
                after[i, j] = n_t[i, j] + rz_t[i, D + j] * (before[i, j] - n_t[i, j])
        before = after


@compiled
def backward(
    x, wih_rz, wih_n, whh_rz, whh_n, h0, h, rz, n, un, d_out, d_hn,
    d_h, chunk_rz, chunk_n, chunk_un, direct, d_x, dwx_rz, dwx_n, dwh_rz, dwh_n, db_rz, db_n, db_un, ports,
    norm_xrz, norm_xn, norm_hrz, norm_hn, skip_rz, skip_n,
):  # fmt: skip
    """See :class:`seqablate.engine.kernels.arrays.Backward`."""
    T, B, D = h.shape
    S = chunk_n.shape[0]
    for t in range(T - 1, -1, -1):
        kernels.receive(d_h, direct, d_out, d_hn, skip_rz, t, T, ports)
        rz_t, n_t, un_t, before = rz[t], n[t], un[t], h[t - 1] if t > 0 else h0
        d_rz, d_n, d_un = chunk_rz[t % S], chunk_n[t % S], chunk_un[t % S]
        for i in range(B):  # one loop for each gate: LLVM leaves a loop scalar that writes to too many arrays
            for j in range(D):
                z, m = rz_t[i, D + j], n_t[i, j]
                d_n[i, j] = d_h[i, j] * (_ONE - z) * (_ONE - m * m)
            for j in range(D):
                d_un[i, j] = d_n[i, j] * rz_t[i, j]
                db_un[j] += d_un[i, j]
            for j in range(D):
                r = rz_t[i, j]
                d_rz[i, j] = d_n[i, j] * un_t[i, j] * r * (_ONE - r)
            for j in range(D):
                z = rz_t[i, D + j]
                d_rz[i, D + j] = d_h[i, j] * (before[i, j] - n_t[i, j]) * z * (_ONE - z)
            for j in range(D):
                d_h[i, j] *= rz_t[i, D + j]
        kernels.to_hidden(d_h, d_rz, whh_rz, norm_hrz, t)
        kernels.to_hidden(d_h, d_un, whh_n, norm_hn, t)
        if t % S == 0:
            k = min(S, T - t)
            kernels.to_recurrent_weights(dwh_rz, kernels.in_front(chunk_rz, norm_hrz)[:k], h0, h, t)
            kernels.to_recurrent_weights(dwh_n, kernels.in_front(chunk_un, norm_hn)[:k], h0, h, t)
            kernels.to_input_weights(dwx_rz, db_rz, chunk_rz[:k], x[t : t + k], norm_xrz, t)
            kernels.to_input_weights(dwx_n, db_n, chunk_n[:k], x[t : t + k], norm_xn, t)
            kernels.to_input(d_x[t : t + k], chunk_rz[:k], wih_rz)
            kernels.to_input(d_x[t : t + k], chunk_n[:k], wih_n)
            kernels.to_skipped(skip_rz, chunk_rz[:k], t)
            kernels.to_skipped(skip_n, chunk_n[:k], t)


def _forward(call: Call) -> None:
    (rz, n), (b_ih, b_hh), D = call.blocks, call.weights[2:4], call.weights[1].shape[1]
    biases = map(kernels.padded_row, (b_ih[rz] + b_hh[rz], b_ih[n], b_hh[n]))
    norms, gates = kernels.norms_of(call), call.rooms(2 * D, D, D)
    arrays = *call.transposed(), *biases, *call.states, *call.over_time, *gates
    forward(call.x, *arrays, *norms, *kernels.skips_of(call), call.chunk)
    call.gates[:] = [*gates, *kernels.kept_of(norms)]


def _backward(call: Call, back: Backward) -> list[Array]:
    D = call.weights[1].shape[1]
    sums, db_un = call.sums(), kernels.padded_row(np.zeros(D, call.x.dtype))
    norms, skips = kernels.norms_of(call, call.gates[3:]), kernels.skips_of(call, back)
    backward(
        call.x, *call.panels(), *call.states, *call.over_time, *call.gates[:3], back.d_out, *back.d_final,
        *back.d_states, *call.chunks(2 * D, D, D), back.direct, back.d_x, *sums.arrays, db_un, back.ports,
        *norms, *skips,
    )  # fmt: skip
    dw_ih, dw_hh, (db_rz, db_n) = sums.weights()
    d_b = np.concatenate([db_rz, db_n]), np.concatenate([db_rz, db_un[:D]])
    return [dw_ih, dw_hh, *d_b, *kernels.d_gains(norms, 2), *kernels.d_skip(skips)]


CELLS = (
    Cell(
        "gru",
        ("r", "z", "n"),
        ("h",),
        step,
        blocks=(2, 1),
        torch="gru",
        kernels=Kernels(_forward, _backward),
        memory={"z": 1},
    ),
)
