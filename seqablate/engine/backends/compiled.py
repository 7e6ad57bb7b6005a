"""The compiled kernels under autograd: tensors in, tensors out, every gradient told to an observer.

Shapes: T time, B batch, I input, D hidden.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial, wraps
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from seqablate.engine import kernels
from seqablate.engine.cell import Cell, Linear, States, Weights
from seqablate.engine.gradients import Gradients
from seqablate.engine.ports import Clipping, Observer, Ports, StateClip
from seqablate.engine.subnormals import flushed

if TYPE_CHECKING:
    from seqablate.engine.kernels.arrays import Array, Backward, Call

SHARD = 8  # samples: shards are cut at multiples of what a kernel takes at once
THREADED = 2e6  # multiply-adds of a timestep's recurrent product, above which more threads help (bench_threads.py)


@cache
def available() -> bool:
    """Whether numba is there, and works, to compile the kernels."""
    try:
        import numba  # noqa: F401
    except ImportError:  # not installed, or not made for this numpy
        return False
    return True


def run(cell: Cell, x_TBI: Tensor, states: States, w: Weights, ports: Ports) -> tuple[Tensor, States]:
    """Run a cell that has kernels on a CPU, in float32 or float64; see :class:`seqablate.engine.recurrence.Recurrence`.

    With more than one torch thread the batch is cut into shards that run side by side, where that helps.
    """
    states, before = states[: len(cell.states)], states[len(cell.states) :]
    skip = sum(map(len, before))
    weights: Sequence[Tensor | None] = w
    if isinstance(cell.step, Linear):  # what leads to its terms is torch's, and leaves no weights for the kernels
        x_TBI, weights = cell.step.side_by_side(x_TBI, *cell.by_block(w)), ()
    tensors = (x_TBI, *states, *(p for p in weights if p is not None), *before)
    if not torch.is_grad_enabled():
        over_time, _, _ = _forward(cell, tensors, skip, keep=False)
        final = tuple(state[-1].clone() for state in over_time)
        return over_time[0][skip:], (*final, *(over_time[0][-len(h_kBD) :].clone() for h_kBD in before))
    # Observed, a backward pass has to come here even when neither input nor weights require a gradient.
    anchor = None if ports.observer is None else torch.zeros((), requires_grad=True)
    output, *final = _Kernel.apply(cell, ports, skip, anchor, *tensors)
    return output, (*final, *(torch.cat([h_kBD[len(output) :], output[-skip:]]) for h_kBD in before))


def prepare(
    cell: Cell,
    dtype: torch.dtype,
    layer_norm: bool,
    time_skip: bool,
    clip: StateClip | None,
    announce: Callable[[], None],
) -> None:
    """Have the kernels of a cell ready; ``announce`` is called if they have to be compiled first, which takes seconds.

    They are compiled once for each processor and kept on disk.
    """
    from numba.core import event

    class Compiling(event.Listener):
        def __init__(self) -> None:
            self.seen = False

        def on_start(self, event: Any) -> None:
            if not self.seen:
                self.seen = True
                announce()

        def on_end(self, event: Any) -> None:
            pass

    with event.install_listener("numba:compile", Compiling()), torch.enable_grad():
        _smallest_call(cell, dtype, layer_norm, time_skip, Ports())
        if clip is not None:
            _smallest_call(cell, dtype, layer_norm, time_skip, Ports(clipping=Clipping(clip)))


def _smallest_call(cell: Cell, dtype: torch.dtype, layer_norm: bool, time_skip: bool, ports: Ports) -> None:
    """Both passes, with T = B = I = D = k = 1."""
    rows = len(cell.gates)
    w = Weights(*(torch.zeros(shape, dtype=dtype, requires_grad=True) for shape in ((rows, 1), (rows, 1), rows, rows)))
    if layer_norm:
        w = w._replace(gain_ih=w.b_ih, gain_hh=w.b_hh)
    if layer_norm and "c" in cell.states:
        w = w._replace(gain_c=torch.zeros(1, dtype=dtype), b_c=torch.zeros(1, dtype=dtype))
    states = tuple(torch.zeros(1, 1, dtype=dtype) for _ in cell.states)
    if time_skip:
        w, states = w._replace(w_skip=w.w_hh), (*states, torch.zeros(1, 1, 1, dtype=dtype))
    output, _ = run(cell, torch.zeros(1, 1, 1, dtype=dtype), states, w, ports)
    output.sum().backward()


class _NoSecondDerivative(torch.autograd.Function):
    """Hands gradients on under ``create_graph=True``, and refuses to differentiate them."""

    @staticmethod
    def forward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        return gradients

    @staticmethod
    def backward(ctx: Any, *_: Tensor | None) -> tuple[Tensor | None, ...]:
        raise RuntimeError(
            "the compiled kernels of a Recurrence have no second derivative, which create_graph=True asks for: "
            'set its .backend = "loop" (any cell) or "torch" (RNN, LSTM, GRU)'
        )


def _differentiable_once(backward: Callable[..., tuple[Tensor | None, ...]]) -> Callable[..., Any]:
    """As torch's once_differentiable, which is silent where the gradient that comes in does not require one itself."""

    @wraps(backward)
    def refusing(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        with torch.no_grad():
            found = backward(ctx, *gradients)
        if not torch.is_grad_enabled():
            return found
        return _NoSecondDerivative.apply(*(None if d is None else d.requires_grad_() for d in found))

    return refusing


class _Kernel(torch.autograd.Function):
    """One call of a forward kernel, and of its backward kernel; one of each for every shard of the batch."""

    @staticmethod
    def forward(
        ctx: Any, cell: Cell, ports: Ports, skip: int, anchor: Tensor | None, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        over_time, shards, calls = _forward(cell, tensors, skip, keep=True)
        inputs = tensors[:-1] if skip else tensors  # h of the steps before the call leads over_time
        ctx.cell, ctx.ports, ctx.skip, ctx.shards, ctx.inputs = cell, ports, skip, shards, len(inputs)
        ctx.set_materialize_grads(False)
        gates = [torch.from_numpy(array) for call in calls for array in call.gates]
        ctx.save_for_backward(*inputs, *over_time, *gates)
        output = over_time[0][skip:] if skip else over_time[0]
        return output, *(state[-1].clone() for state in over_time)

    @staticmethod
    @_differentiable_once
    def backward(ctx: Any, d_output: Tensor | None, *d_final: Tensor | None) -> tuple[Tensor | None, ...]:
        count, wants_d_x, (observer, clipping) = len(ctx.cell.states), ctx.needs_input_grad[4], ctx.ports
        saved = ctx.saved_tensors  # once only: under checkpointing each look makes the call again
        inputs = ctx.inputs
        tensors, over_time, gates = saved[:inputs], saved[inputs : inputs + count], saved[inputs + count :]
        blocks, skip = ctx.cell.blocks, ctx.skip
        calls = [kernels.Call.of(tensors, over_time, blocks, samples, skip=skip) for samples in ctx.shards]
        for k, gate in enumerate(gates):
            calls[k * len(calls) // len(gates)].gates.append(gate.numpy())
        carried = () if observer is None else observer.carried()
        parts = [
            kernels.Backward.of(call, d_output, d_final, samples, wants_d_x, ctx.ports, carried)
            for call, samples in zip(calls, ctx.shards, strict=True)
        ]
        d_weights = [_sum(found) for found in zip(*_each(ctx.cell.kernels.backward, calls, parts), strict=True)]
        if clipping is not None:
            clipping.acted = clipping.acted | any(part.acted[0] for part in parts)
        if observer is not None:
            observer.receive(_gradients(ctx.cell, observer, parts))
        I, D = tensors[0].shape[2], over_time[0].shape[2]  # noqa: E741
        d_x = _join([part.d_x[..., :I] for part in parts], 1) if wants_d_x else None
        d_states = (_join([part.d_states[k][:, :D] for part in parts], 0) for k in range(count))
        d_before = [_join([part.d_past[:skip, :, :D] for part in parts], 1)] if skip else []
        return None, None, None, None, d_x, *d_states, *map(torch.from_numpy, d_weights), *d_before


def _forward(
    cell: Cell, tensors: Sequence[Tensor], skip: int, keep: bool
) -> tuple[list[Tensor], list[slice], list[Call]]:
    """Every state at every step [T, B, D], and the shards that were run.

    With a skip of k steps h is [T+k, B, D]: led by what stands last among ``tensors``, h of the k steps before.
    """
    x, *rest = tensors
    leads = (skip, *[0] * len(cell.states))
    over_time = [
        x.new_empty(k + len(x), *state.shape) for k, state in zip(leads, rest[: len(cell.states)], strict=False)
    ]
    if skip:
        over_time[0][:skip] = rest.pop()
    shards = _shards(x.shape[1], rest[len(cell.states) :])
    calls = [kernels.Call.of((x, *rest), over_time, cell.blocks, samples, keep, skip) for samples in shards]
    assert cell.kernels is not None  # a Recurrence has asked
    _each(cell.kernels.forward, calls)
    if len(shards) > 1:  # each has filled arrays of its own
        for k, state in enumerate(over_time):
            torch.cat([torch.from_numpy(call.over_time[k]) for call in calls], dim=1, out=state[-len(x) :])
    return over_time, shards, calls


def _sum(arrays: Sequence[Array]) -> Array:
    return arrays[0] if len(arrays) == 1 else np.sum(arrays, axis=0)


def _join(arrays: Sequence[Array], axis: int) -> Tensor:
    return torch.from_numpy(arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis))


def _gradients(cell: Cell, observer: Observer, parts: Sequence[Backward]) -> Gradients:
    names = cell.states if observer.cell_states else cell.states[:1]
    norms = _join([part.norms for part in parts], 3)
    vectors = _join([part.vectors for part in parts], 3)

    def by_state(values: Tensor, kind: int) -> dict[str, Tensor]:
        return {name: values[k, kind] for k, name in enumerate(names) if len(values)}

    return Gradients(*(by_state(values, kind) for values in (vectors, norms) for kind in (0, 1)))


def threads_help(B: int, w_hh: Tensor, line: float) -> bool:
    """Whether a timestep is so much work that several threads make a training step quicker."""
    return B * w_hh.numel() >= line


def _shards(B: int, weights: Sequence[Tensor]) -> list[slice]:
    """The batch, cut for as many threads as torch may use and as help. A scan, which has no weights, is not cut."""
    blocks = -(-B // SHARD)
    count = max(1, min(torch.get_num_threads(), blocks)) if weights and threads_help(B, weights[1], THREADED) else 1
    ends = [min(B, SHARD * (blocks * k // count)) for k in range(count)] + [B]
    return [slice(*ends) for ends in pairwise(ends)]


def _each(work: Callable[..., Any], *arguments: Sequence[Any]) -> list[Any]:
    """``work`` for every shard, in threads where there are several; the kernels leave Python's lock."""
    return list((map if len(arguments[0]) == 1 else _pool().map)(partial(_flushed, work), *arguments))


def _flushed(work: Callable[..., Any], *arguments: Any) -> Any:
    with flushed():
        return work(*arguments)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_name_prefix="seqablate-shard")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # a child has none of these threads
