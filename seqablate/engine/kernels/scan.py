"""The kernels of all cells whose state is kept elementwise, ``h_t = a_t h_{t-1} + b_t``: one scan for them all.

a_t and b_t come from the input alone, for all timesteps at once (``engine.cell.Linear``); what leads to them, and its
backward pass, is torch's. With ``delta_h[t]`` the total gradient and ``d[t]`` its direct part::

    delta_h[t] = d[t] + a_{t+1} delta_h[t+1]        db_t = delta_h[t]        da_t = delta_h[t] h_{t-1}

Shapes: T time, B batch, D hidden. ``x`` [T, B, 2 D] is a, then b.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqablate.engine import kernels
from seqablate.engine.cell import Kernels
from seqablate.engine.kernels.cache import compiled, inlined

if TYPE_CHECKING:
    from seqablate.engine.kernels.arrays import Array, Backward, Call


@compiled
def forward(x, h0, h):
    """Fill h [T, B, D]."""
    T, B, D = h.shape
    before = h0
    for t in range(T):
        after = h[t]
        for i in range(B):
            for j in range(D):
                after[i, j] = x[t, i, j] * before[i, j] + x[t, i, D + j]
        before = after


@inlined
def to_terms(d_x, d_h, before):
    """da and db of one step, in d_x [B, 2 D]: d_h [B, padded D], before [B, D]."""
    B, D = before.shape
    for i in range(B):
        for j in range(D):
            d_x[i, j] = d_h[i, j] * before[i, j]
        for j in range(D):
            d_x[i, D + j] = d_h[i, j]


@compiled
def backward(x, h0, h, d_out, d_hn, d_h, direct, d_x, ports):
    """See :class:`seqablate.engine.kernels.arrays.Backward`."""
    T, B, D = h.shape
    for t in range(T - 1, -1, -1):
        kernels.receive(d_h, direct, d_out, d_hn, None, t, T, ports)
        if d_x.shape[0] > 0:
            to_terms(d_x[t], d_h, h[t - 1] if t > 0 else h0)
        for i in range(B):
            for j in range(D):
                d_h[i, j] *= x[t, i, j]


def _forward(call: Call) -> None:
    forward(call.x, *call.states, *call.over_time)


def _backward(call: Call, back: Backward) -> list[Array]:
    given = back.d_out, *back.d_final, *back.d_states
    backward(call.x, *call.states, *call.over_time, *given, back.direct, back.d_x, back.ports)
    return []


SCAN = Kernels(_forward, _backward, scan=True)
