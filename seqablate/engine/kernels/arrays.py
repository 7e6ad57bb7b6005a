"""What a kernel is called with: a call's tensors as numpy arrays, weights in panels, and room for what it makes.

Shapes: T time, B batch, I input, D hidden, G rows of a weight matrix (gates times D), W the width of a panel.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from torch import Tensor

from seqablate.engine.gradients import Carried
from seqablate.engine.kernels.heap import keep_freed
from seqablate.engine.kernels.products import Panels, padded
from seqablate.engine.ports import Ports

Array = np.ndarray[Any, Any]
CHUNK_ROWS = 128  # timesteps times samples


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """What both passes of one call share. All arrays are contiguous.

    A call may be run again after the contents of x, of the states and of the weights have changed. It makes its other
    arrays once: what the passes of the time before have left in them is gone then.

    Attributes:
        x: [T, B, I].
        states: the initial ones, each [B, D].
        weights: w_ih, w_hh, b_ih, b_hh as in torch, and with layer norm gain_ih, gain_hh and, where there is a state
            c, gain_c and b_c. A scan has none (``scan.py``).
        over_time: every state at every step, each [T, B, D]; filled by the forward pass.
        blocks: the rows of the weights that a kernel keeps together, as the cell's formula does.
        gates: what the forward pass leaves of the gates for the backward pass.
        keep: whether there will be a backward pass.
        past: [T+k, B, D] where a step also reads h_{t-k}, which is ``past[t]``: h of the k steps before the call, and
            after them every h_t, for ``over_time[0]`` is a part of it.
        w_skip: [G, D], its weights.
    """

    x: Array
    states: list[Array]
    weights: list[Array]
    over_time: list[Array]
    blocks: list[slice]
    gates: list[Array]
    keep: bool
    past: Array | None = None
    w_skip: Array | None = None
    _made: dict[Hashable, Any] = field(init=False, default_factory=dict)

    @classmethod
    def of(
        cls,
        tensors: Sequence[Tensor],
        over_time: Sequence[Tensor],
        blocks: Sequence[int],
        samples: slice,
        keep: bool = True,
        skip: int = 0,
    ) -> Call:
        """The call of ``tensors`` (x, states, weights and w_skip), for some samples of its batch.

        With a skip of k steps the first of ``over_time`` is led by h of the k steps before the call.
        """
        count = len(over_time)
        x, *rest = tensors
        weights = [_array(weight) for weight in rest[count:]]
        past, *others = (_array(state[:, samples]) for state in over_time)
        return cls(
            _array(x[:, samples]),
            [_array(state[samples]) for state in rest[:count]],
            weights[:-1] if skip else weights,
            [past[skip:], *others],
            rows_of(blocks, *weights[1].shape) if weights else [],
            [],
            keep,
            past if skip else None,
            weights[-1] if skip else None,
        )

    def panels(self) -> list[Array]:
        """w_ih by block, w_hh by block, in panels [panel, G, W]."""
        return self._packed(transposed=False)

    def transposed(self) -> list[Array]:
        """w_ih^T by block, w_hh^T by block, in panels."""
        return self._packed(transposed=True)

    def _packed(self, *, transposed: bool) -> list[Array]:
        def make() -> list[Panels]:
            blocks = [w[block] for w in self.weights[:2] for block in self.blocks]
            return [Panels(w.T if transposed else w) for w in blocks]

        return [each.filled() for each in self._once(("panels", transposed), make)]

    def _once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    @property
    def chunk(self) -> int:
        """S: so many timesteps that weights are worth fetching once for all of them, so few that they stay in cache.

        With a skip over time no more than what is skipped: at the first step of a chunk all h_{t-k} of it are known.
        """
        T, B, _ = self.over_time[0].shape
        S = min(T, max(1, CHUNK_ROWS // max(B, 1)))
        return S if self.past is None else min(S, len(self.past) - T)

    def rooms(self, *widths: int) -> list[Array]:
        """For gates at every timestep, or at one chunk of them where no backward pass will ask for it."""
        return list(self._once(("rooms", widths), lambda: [self.room(width) for width in widths]))

    def room(self, width: int) -> Array:
        """The same for one gate, in a new array."""
        keep_freed()
        T, B, _ = self.over_time[0].shape
        steps = T if self.keep else self.chunk
        return np.empty((steps, B, padded(width, self.x.dtype)), self.x.dtype)

    def chunks(self, *widths: int) -> list[Array]:
        """For a chunk of gates, or of gradients, of each width: [S, B, padded width], 0 behind its width."""

        def make() -> list[Array]:
            return [np.zeros((self.chunk, self.x.shape[1], padded(w, self.x.dtype)), self.x.dtype) for w in widths]

        return list(self._once(("chunks", widths), make))

    def sums(self) -> Sums:
        """Where a backward kernel adds the gradients of the weights, all 0."""
        sums: Sums = self._once("sums", lambda: Sums(self))
        for array in sums.arrays:
            array.fill(0)
        return sums


def rows_of(blocks: Sequence[int], rows: int, D: int) -> list[slice]:
    """Blocks of so many gates each as rows of a weight matrix; all rows when there are none."""
    ends = [D * gates for gates in accumulate(blocks, initial=0)] if blocks else [0, rows]
    return [slice(*ends) for ends in pairwise(ends)]


@dataclass(frozen=True, slots=True, eq=False)
class Backward:
    """What a backward kernel is given and what it fills.

    Attributes:
        d_out: [T, B, D or padded], what reached the output; T = 0: nothing did.
        d_final: each [B, D], what reached the returned final states.
        d_states: each [B, D], that of h with rows padded to whole panels. A kernel starts with what stands there, as
            what flows back to the last step, and leaves the gradient of the initial state.
        direct: [B, D], for what arrives at a state from outside the recurrence.
        d_x: [T, B, padded I], which the kernel adds to; T = 0: not wanted.
        d_past: [T+k, B, padded D], the same for what steps read of ``call.past``; T + k = 0: there is none.
        norms: [states, 2, T, B], for the norms of every state's total and direct gradient; states = 0: not wanted. All
            start at 0; a direct one stays 0 where nothing arrives from outside.
        vectors: [states, 2, T, B, D], for these themselves; states = 0: not wanted. They need norms. Direct ones start
            at 0, total ones with anything: a kernel fills in all of them.
        clip: the state clip, or () for none.
        acted: [1], whether the clip has changed anything.
    """

    d_out: Array
    d_final: list[Array]
    d_states: list[Array]
    direct: Array
    d_x: Array
    d_past: Array
    norms: Array
    vectors: Array
    clip: Any
    acted: Array

    @property
    def ports(self) -> tuple[Any, ...]:
        """What a kernel hands on, as it is, to the shared parts that tell an observer and let a clip act."""
        return self.norms, self.vectors, self.clip, self.acted

    def begin(self) -> None:
        """Set to 0 what a kernel adds to, for another pass in the same arrays."""
        for array in (*self.d_states, self.d_x, self.d_past):
            array.fill(0)

    @classmethod
    def empty(
        cls,
        call: Call,
        d_out: Array | None,
        d_final: Sequence[Array | None],
        *,
        d_x: bool,
        norms: bool,
        vectors: bool = False,
        clip: Any = (),
    ) -> Backward:
        """Room for what a backward kernel fills, and what it is given; None: nothing arrived there."""
        (T, B, D), dtype, count = call.over_time[0].shape, call.x.dtype, len(call.states)
        total_and_direct = np.empty((count if vectors else 0, 2, T, B, D), dtype)
        total_and_direct[:, 1] = 0
        return cls(
            d_out=np.zeros((0, B, D), dtype) if d_out is None else d_out,
            d_final=[np.zeros((B, D), dtype) if d is None else d for d in d_final],
            d_states=[np.zeros((B, width), dtype) for width in (padded(D, dtype), D)[:count]],
            direct=np.empty((B, D), dtype),
            d_x=np.zeros((T if d_x else 0, B, padded(call.x.shape[2], dtype)), dtype),
            d_past=np.zeros((0 if call.past is None else len(call.past), B, padded(D, dtype)), dtype),
            norms=np.zeros((count if norms else 0, 2, T, B)),
            vectors=total_and_direct,
            clip=clip,
            acted=np.zeros(1, np.bool_),
        )

    @classmethod
    def of(
        cls,
        call: Call,
        d_output: Tensor | None,
        d_final: Sequence[Tensor | None],
        samples: slice,
        d_x: bool,
        ports: Ports,
        carried: Carried = (),
    ) -> Backward:
        """``carried`` is what later calls sent back to the final states, as a part of ``d_final`` (see Observer)."""
        (T, _, D), count, (observer, clipping) = call.over_time[0].shape, len(call.states), ports
        if d_output is not None and any(later is not None for later in carried[count:]):
            d_output = d_output.clone()
        back = cls.empty(
            call,
            None if d_output is None else _array(d_output[:, samples]),
            [None if d is None else _array(d[samples]) for d in d_final],
            d_x=d_x,
            norms=observer is not None,
            vectors=observer is not None and observer.vectors,
            clip=() if clipping is None else clipping.clip,
        )
        for k, later in enumerate(carried[:count]):
            if later is not None:  # a kernel begins with what flows back to the last step, here from the next call
                back.d_states[k][:, :D] = _array(later[samples])
                back.d_final[k] = back.d_final[k] - back.d_states[k][:, :D]
        for later in carried[count:]:  # to h of the last steps, which reached the output on its way
            if later is not None and d_output is not None:
                steps, part = min(T, len(later)), _array(later[:, samples])
                back.d_past[-steps:, :, :D] = part[-steps:]
                back.d_out[-steps:] -= part[-steps:]
        return back


def _array(tensor: Tensor) -> Array:
    return tensor.detach().contiguous().numpy()


def padded_row(b: Array) -> Array:
    """[N], padded with zeros to whole panels."""
    row = np.zeros(padded(len(b), b.dtype), b.dtype)
    row[: len(b)] = b
    return row


class Sums:
    """Where a backward kernel adds dW_ih and dW_hh, in panels, and db: by block of gates."""

    def __init__(self, call: Call) -> None:
        dtype, G = call.x.dtype, len(call.weights[1])
        self.widths = [block.stop - block.start for block in call.blocks]
        self.matrices = [np.empty((G, columns), dtype) for columns in (call.x.shape[2], call.weights[1].shape[1])]
        self.panels = [Panels(matrix[block].T) for matrix in self.matrices for block in call.blocks]
        self.bias_arrays = [np.zeros(padded(width, dtype), dtype) for width in self.widths]
        self.arrays = [*(panels.array for panels in self.panels), *self.bias_arrays]

    def weights(self) -> tuple[Array, Array, list[Array]]:
        """dW_ih [G, I], dW_hh [G, D] and db by block, as torch has them."""
        for panels in self.panels:
            panels.unpack()
        ih, hh = self.matrices
        return ih, hh, [d_b[:width] for d_b, width in zip(self.bias_arrays, self.widths, strict=True)]
