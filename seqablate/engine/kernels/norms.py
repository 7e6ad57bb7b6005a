"""The norms of a call, as its kernels take them, and what they leave.

Shapes: T time, B batch, D hidden, G gates * D, N columns that a norm is over.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seqablate.engine.kernels.arrays import Array, Call
from seqablate.engine.kernels.layer_norm import Norm


def norms_of(call: Call, kept: Sequence[Array] = (), there: Array | None = None) -> Sequence[Norm | None]:
    """The norms of W_ih x by block, of W_hh h by block and, where there is one, of c; None for each without.

    Args:
        call: its weights end with gain_ih, gain_hh and, of a cell with a state c, gain_c and b_c.
        kept: what :func:`kept_of` said in the forward pass.
        there: [G], 0 for the columns of a gate that is not there.
    """
    has_c, count = len(call.states) > 1, 2 * len(call.blocks)
    if len(call.weights) == 4:
        return [None] * (count + has_c)
    gains, S = [gain[block] for gain in call.weights[4:6] for block in call.blocks], call.chunk
    found = [_norm(call, gain, kept[2 * k : 2 * k + 2], S, there) for k, gain in enumerate(gains)]
    if has_c:
        gain_c, b_c = call.weights[6:]
        found.append(_norm(call, gain_c, kept[2 * count :], 2)._replace(b=b_c))
    return found


def _norm(call: Call, gain: Array, kept: Sequence[Array], steps: int, there: Array | None = None) -> Norm:
    hat, scale = kept or _rooms(call, len(gain))
    return Norm(
        gain,
        there=np.ones_like(gain) if there is None else there,
        hat=hat,
        scale=scale,
        room=np.zeros((steps, *hat.shape[1:]), gain.dtype),
        d_gain=np.zeros_like(gain),
        b=np.zeros_like(gain),
        d_b=np.zeros_like(gain),
    )


def _rooms(call: Call, N: int) -> tuple[Array, Array]:
    hat = call.room(N)
    return hat, np.empty(hat.shape[:2], hat.dtype)


def kept_of(norms: Sequence[Norm | None]) -> list[Array]:
    """What the forward pass leaves for the backward pass."""
    return [array for norm in norms if norm is not None for array in (norm.hat, norm.scale)]


def d_gains(norms: Sequence[Norm | None], blocks: int) -> list[Array]:
    """The gradients of gain_ih, gain_hh and, of a cell with a state c, gain_c and b_c; nothing without norms."""
    there = [norm for norm in norms if norm is not None]
    by_gate = [there[k : k + blocks] for k in range(0, min(2 * blocks, len(there)), blocks)]
    found = [np.concatenate([norm.d_gain for norm in part]) for part in by_gate]
    return [*found, *(d for norm in there[2 * blocks :] for d in (norm.d_gain, norm.d_b))]
