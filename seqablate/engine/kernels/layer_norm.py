"""Layer norm inside a cell, ``gain * (z - mean(z)) / sqrt(var(z) + eps)`` (Ba et al. 2016, eq. 20-22).

A part of a kernel is given a norm, or None: numba compiles a kernel once more for a cell with norms, and of a cell
without, nothing of them is in the code.

Shapes: T time, B batch, D hidden, G gates * D, N columns that a norm is over, S timesteps of a chunk.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from seqablate.engine.kernels.cache import compiled, inlined
from seqablate.engine.kernels.products import add_product

Array = np.ndarray[Any, Any]
_ZERO = np.float32(0.0)


class Norm(NamedTuple):
    """One norm of a call.

    Attributes:
        gain: [N].
        there: [N], 1, or 0 for a column that is always 0 and does not count.
        hat: [.., B, padded N], the standardised values of all timesteps, or of one chunk over and over.
        scale: [.., B], 1 / sqrt(var + eps) of each.
        room: [S, B, padded N], for the gradients of a chunk in front of the norm.
        d_gain: [N].
        b, d_b: [N], what is added to ``gain * hat`` and its gradient; of the norm of c alone.
    """

    gain: Array
    there: Array
    hat: Array
    scale: Array
    room: Array
    d_gain: Array
    b: Array
    d_b: Array


@compiled
def standardise(z, scale, there):
    """``z = (z - mean) * scale`` in place over the columns that are there, and ``scale`` [B] itself."""
    N, count = there.shape[0], there.sum()
    for i in range(z.shape[0]):
        mean, square = z.dtype.type(0.0), z.dtype.type(0.0)
        for j in range(N):
            mean += z[i, j]
        mean /= count
        for j in range(N):
            z[i, j] = (z[i, j] - mean) * there[j]
            square += z[i, j] * z[i, j]
        s = z.dtype.type(1.0) / math.sqrt(square / count + z.dtype.type(1e-5))
        scale[i] = s
        for j in range(N):
            z[i, j] *= s


@compiled
def through_norm(d_z, d_a, norm, t, d_gain):
    """``d_z`` [B, N or more] in front of a norm from ``d_a`` behind it, which may be the same array."""
    hat, scale, gain, there = norm.hat[t], norm.scale[t], norm.gain, norm.there
    N, count = gain.shape[0], there.sum()
    for i in range(d_a.shape[0]):
        mean, along = d_a.dtype.type(0.0), d_a.dtype.type(0.0)
        for j in range(N):
            d = d_a[i, j] * gain[j]
            mean += d
            along += d * hat[i, j]
        for j in range(N):
            d_gain[j] += d_a[i, j] * hat[i, j]
        mean /= count
        along /= count
        for j in range(N):
            d_z[i, j] = (d_a[i, j] * gain[j] - mean - hat[i, j] * along) * scale[i]


@compiled
def add_normed_product(a, v, w, norm, skip, t):
    """``a += gain * hat`` with the hat of ``v @ w``, plus what a skip reads, at step t: a [B, N or more]."""
    s = t % norm.hat.shape[0]
    z, gain = norm.hat[s], norm.gain
    z[:] = _ZERO
    add_product(z, v, w)
    if skip is not None:
        add_product(z, skip.past[t], skip.w)
    standardise(z, norm.scale[s], norm.there)
    for i in range(z.shape[0]):
        for j in range(gain.shape[0]):
            a[i, j] += gain[j] * z[i, j]


@inlined
def shown(c, norm, t):
    """What the output shows of c [B, D]: c itself, or its norm."""
    if norm is None:
        return c
    s = t % norm.hat.shape[0]
    z = norm.hat[s]
    for i in range(c.shape[0]):
        for j in range(c.shape[1]):
            z[i, j] = c[i, j]
    standardise(z, norm.scale[s], norm.there)
    return shown_again(c, norm, s)


@inlined
def shown_again(c, norm, t):
    """The same from what was kept."""
    if norm is None:
        return c
    z, out = norm.hat[t], norm.room[0]
    for i in range(c.shape[0]):
        for j in range(c.shape[1]):
            out[i, j] = norm.b[j] + norm.gain[j] * z[i, j]
    return out


@inlined
def behind_norm(d_c, norm):
    """Where the gradient of what is shown of c belongs: at c itself, or, from 0, behind the norm."""
    if norm is None:
        return d_c
    found = norm.room[1]
    found[:] = _ZERO
    return found


@inlined
def to_cell(d_c, direct, d_shown, norm, t):
    """Bring the gradient of what is shown of c, and its direct part, through the norm, if there is one."""
    if norm is None:
        return
    B, D = d_c.shape
    nowhere = np.zeros_like(norm.d_gain)
    through_norm(direct, direct, norm, t, nowhere)
    for i in range(B):
        for j in range(D):
            norm.d_b[j] += d_shown[i, j]
    through_norm(d_shown, d_shown, norm, t, norm.d_gain)
    for i in range(B):
        for j in range(D):
            d_c[i, j] += d_shown[i, j]
