"""A skip over time, as the kernels take it: a step also reads h_{t-k}, through a matrix of its own.

A part of a kernel is given a skip, or None: numba compiles a kernel once more for a call with one.

Shapes: T time, B batch, D hidden, G rows of W_skip in one block of gates, k steps skipped, W the width of a panel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from seqablate.engine.kernels.arrays import Array, Backward, Call
from seqablate.engine.kernels.products import Panels, panels


class Skip(NamedTuple):
    """A block's share of a skip; the last two are of use in a backward pass alone.

    Attributes:
        w: W_skip^T in panels; in a backward pass W_skip, [panel, G, W].
        past: [T+k, B, D], h of the k steps before the call and of all of its own.
        d_past: [T+k, B, padded D], its gradient along this way alone; the same array for all blocks.
        dw: [panel, D, W], the gradient of W_skip^T.
    """

    w: Array
    past: Array
    d_past: Array
    dw: Array


def skips_of(call: Call, back: Backward | None = None) -> Sequence[Skip | None]:
    """The skip of a call by block of gates; None for each without."""
    if call.past is None or call.w_skip is None:
        return [None] * len(call.blocks)
    blocks = [call.w_skip[block] for block in call.blocks]
    if back is None:
        return [Skip(w, call.past, call.past, w) for w in (panels(block.T) for block in blocks)]
    return [Skip(panels(block), call.past, back.d_past, Panels(block.T).array) for block in blocks]


def d_skip(skips: Sequence[Skip | None]) -> list[Array]:
    """The gradient of W_skip [G, D]; nothing without one."""
    found = [_matrix(skip) for skip in skips if skip is not None]
    return [np.concatenate(found)] if found else []


def _matrix(skip: Skip) -> Array:
    dw = np.empty((skip.w.shape[1], skip.dw.shape[1]), skip.dw.dtype)
    Panels(dw.T, skip.dw).unpack()
    return dw
