"""What the kernels of all cells do at every timestep, or for a chunk of timesteps.

Shapes: T time, B batch, I input, D hidden, G gates * D. Products that do not wait for the step before are made for a
chunk of S steps at once.
"""

from __future__ import annotations

import math

import numpy as np

from seqablate.engine.kernels.cache import compiled, inlined
from seqablate.engine.kernels.clip import change
from seqablate.engine.kernels.layer_norm import add_normed_product, through_norm
from seqablate.engine.kernels.products import add_product, add_to_panels, rows

TOTAL, DIRECT = 0, 1
_ZERO = np.float32(0.0)


@inlined
def from_input(a, x, w_x, b, norm, skip, t):
    """``a = x @ w_x + b``, or with the product's norm, for a chunk from step t: a [n, B, G], x [n, B, I].

    With a skip over time the product is ``x @ w_x + past @ w``.
    """
    n, B, G = a.shape
    for k in range(n):
        for i in range(B):
            for j in range(G):
                a[k, i, j] = b[j]
    if norm is None:
        add_product(rows(a), rows(x), w_x)
        if skip is not None:
            add_product(rows(a), rows(skip.past[t : t + n]), skip.w)
    else:
        for k in range(n):
            add_normed_product(a[k], x[k], w_x, norm, skip, t + k)


@inlined
def from_hidden(a, h, w_h, norm, t):
    """``a += h @ w_h``, or the product's norm, for step t: a [B, G], h [B, D]."""
    if norm is None:
        add_product(a, h, w_h)
    else:
        add_normed_product(a, h, w_h, norm, None, t)


@compiled
def add(C, A):
    """``C += A``, over the columns that both have: one may be padded."""
    for i in range(C.shape[0]):
        for j in range(min(C.shape[1], A.shape[1])):
            C[i, j] += A[i, j]


@inlined
def _arrived(direct, d_out, d_hn, t, T):
    """Put what reaches h_t from outside the recurrence into ``direct`` [B, D]; False when that is nothing."""
    for i in range(direct.shape[0]):
        for j in range(direct.shape[1]):
            direct[i, j] = d_hn[i, j] if t == T - 1 else _ZERO
    if d_out.shape[0] > 0:
        add(direct, d_out[t])
    return d_out.shape[0] > 0 or t == T - 1


@inlined
def _scaled_norm(row):
    """The norm of float64 entries whose squares are out of range: divided by the largest one first."""
    largest = 0.0
    for j in range(row.shape[0]):
        size = abs(np.float64(row[j]))
        largest = max(largest, size)
    if largest == 0.0 or not math.isfinite(largest):
        return largest
    s = 0.0
    for j in range(row.shape[0]):
        part = np.float64(row[j]) / largest
        s += part * part
    return largest * math.sqrt(s)


@compiled
def norm(row):
    """The norm of a row of numbers, summed in float64."""
    s = 0.0
    for j in range(row.shape[0]):
        s += np.float64(row[j]) * np.float64(row[j])
    if s <= 1e-290 or s >= 1e290:  # never of float32 entries, unless all are 0 or one is infinite
        return _scaled_norm(row)
    return math.sqrt(s)


@compiled
def _record(v, D, state, kind, t, norms, vectors):
    """See :func:`report`."""
    for i in range(v.shape[0]):
        norms[state, kind, t, i] = norm(v[i, :D])
    if vectors.shape[0] > 0:
        for i in range(v.shape[0]):
            for j in range(D):
                vectors[state, kind, t, i, j] = v[i, j]


@inlined
def report(v, D, state, kind, t, ports):
    """Record the gradient ``v`` [B, >= D] of a state at t: its norms, in float64, and itself, where they are wanted."""
    norms, vectors, _, _ = ports
    if norms.shape[0] > 0:  # asked here: a call costs as much as the product of a short row
        _record(v, D, state, kind, t, norms, vectors)


@inlined
def complete(v, D, state, t, ports):
    """``v`` [B, >= D] is the total gradient of a state at t: a clip may change it, an observer is told."""
    _, _, clip, acted = ports
    if change(clip, v, D):
        acted[0] = True
    report(v, D, state, TOTAL, t, ports)


@inlined
def receive(d_h, direct, d_out, d_hn, skip, t, T, ports):
    """Make ``d_h`` the total gradient of h_t and complete it; False when none of it came from outside (``direct``).

    With a skip over time step t + k has left its part in ``d_past``.
    """
    D = direct.shape[1]
    if skip is not None:
        add(d_h, skip.d_past[t + skip.d_past.shape[0] - T])
    arrived = _arrived(direct, d_out, d_hn, t, T)
    if arrived:
        report(direct, D, 0, DIRECT, t, ports)
        add(d_h, direct)
    complete(d_h, D, 0, t, ports)
    return arrived


@compiled
def to_weights(dw, d_a, v):
    """Add a chunk's share of the gradient of the matrix that made ``d_a`` [n, B, G] from v [n, B, K]."""
    add_to_panels(dw, rows(v).T, rows(d_a))


@inlined
def to_hidden(d_h, d_a, w_hh, norm, t):
    """``d_h += d_a @ w_hh`` for step t, of the gradient in front of a norm, which is kept in its room."""
    if norm is None:
        add_product(d_h, d_a, w_hh)
    else:
        d_z = norm.room[t % norm.room.shape[0]]
        through_norm(d_z, d_a, norm, t, norm.d_gain)
        add_product(d_h, d_z, w_hh)


@inlined
def in_front(d_a, norm):
    """A chunk's gradients in front of a recurrent product's norm, if there is one, from those behind it."""
    if norm is None:
        return d_a
    return norm.room


@inlined
def to_input_weights(dw_x, d_b, d_a, x, norm, t):
    """Add a chunk's share of dW_ih and db, from step t: d_a [n, B, G], x [n, B, I].

    Where the input's product has a norm, ``d_a`` is left as the gradient in front of it.
    """
    n, B, G = d_a.shape
    for k in range(n):
        for i in range(B):
            for j in range(G):
                d_b[j] += d_a[k, i, j]
    if norm is not None:
        for k in range(n):
            through_norm(d_a[k], d_a[k], norm, t + k, norm.d_gain)
    to_weights(dw_x, d_a, x)


@inlined
def to_recurrent_weights(dw_h, d_a, h0, h, start):
    """Add a chunk's share of dW_hh: d_a [n, B, G] of the steps from ``start``, each of which came from the h before."""
    n = d_a.shape[0]
    if start > 0:
        to_weights(dw_h, d_a, h[start - 1 : start + n - 1])
    else:
        add_to_panels(dw_h, h0.T, d_a[0])
        to_weights(dw_h, d_a[1:], h[: n - 1])


@inlined
def to_input(d_x, d_a, w_ih):
    """``d_x += d_a @ w_ih`` for a chunk, where it is wanted: d_x [n, B, padded I], d_a [n, B, G]."""
    if d_x.shape[0] > 0:
        add_product(rows(d_x), rows(d_a), w_ih)


@inlined
def to_skipped(skip, d_a, t):
    """With a skip over time, add a chunk's share of dW_skip and of the gradients of the h_{t-k} that it read.

    ``d_a`` [n, B, G], of the steps from t, is the gradient in front of a norm, as :func:`to_input_weights` leaves it.
    """
    if skip is not None:
        n = d_a.shape[0]
        to_weights(skip.dw, d_a, skip.past[t : t + n])
        to_input(skip.d_past[t : t + n], d_a, skip.w)
