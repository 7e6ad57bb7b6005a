"""Recording the calls of nn.RNNCell, nn.LSTMCell and nn.GRUCell: one call is one timestep.

Shapes: B batch, D hidden.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from seqablate.engine.gradients import Gradients
from seqablate.probe.gradients import CallGradients
from seqablate.probe.handlers.links import Links
from seqablate.probe.handlers.outputs import listen, replaced
from seqablate.probe.handlers.recurrences import with_state
from seqablate.probe.hooks import Forward
from seqablate.probe.session import Session, in_backward


class Cell:
    """The handler of a cell: records the gradient of the h, and the c, that it returns."""

    def __init__(self, name: str, session: Session, module: nn.Module, keep: Callable[[Any], None]) -> None:
        """``keep`` is given the handle of every hook that the block has to remove."""
        self.name, self.session, self.module = name, session, module
        self.keep, self.links = keep, Links()

    def __call__(self, forward: Forward, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not self.session.records_call(self.name) or in_backward():
            return forward(*args, **kwargs)
        args, kwargs = with_state("hx", self.links.taken_in, args, kwargs)
        result = forward(*_tracked(self.module, args, kwargs), **kwargs)
        states = _states(self.name, self.module, result)
        if not any(state.requires_grad for state in states):
            return result
        call = self.session.new_call(self.name, dtype=states[0].dtype)
        names = ("h", "c")[: len(states) if self.session.cell_states else 1]
        shapes = {name: _with_batch(state.detach()) for name, state in zip(names, states, strict=False)}
        shapes = {name: state.new_zeros(()).expand(1, *state.shape) for name, state in shapes.items()}
        heard = [self._listen(call, k, state, shapes, (args, kwargs)) for k, state in enumerate(states)]
        self.links.returned(call, heard, heard, _with_batch)
        for state, now in zip(states, heard, strict=True):
            result = result if now is state else replaced(result, state, now)
        return result

    def _listen(self, call: CallGradients, k: int, state: Tensor, zeros: dict[str, Tensor], inputs: Any) -> Tensor:
        name = "hc"[k]
        if name not in zeros or not state.requires_grad:
            return state
        heard, handle = listen(state, inputs, partial(_receive, call, k, name, zeros))
        if handle is not None:
            self.keep(handle)
        return heard


def _states(name: str, module: nn.Module, result: Any) -> tuple[Tensor, ...]:
    """h, and c of an LSTM cell, from what a call returned; a subclass may return more after them.

    Raises:
        TypeError: they are not the first that it returned.
    """
    states = (result,) if isinstance(result, Tensor) else result
    if isinstance(states, tuple | list) and states:
        states = tuple(states[: 2 if isinstance(module, nn.LSTMCell) else 1])
        if all(isinstance(state, Tensor) and state.dim() in (1, 2) for state in states):
            return states
    raise TypeError(
        f"TimestepProbe: the cell {name!r}, a {type(module).__name__}, must return h [B, D] (an LSTM cell h and c) "
        "first of all; name it in outputs= to measure what it returns instead"
    )


def _receive(call: CallGradients, k: int, name: str, zeros: dict[str, Tensor], gradient: Tensor) -> None:
    """Add the gradient of one returned state; those of other states arrive at other times."""
    total = _with_batch(gradient.detach())[None].clone()
    carried = call.carried()
    later = carried[k] if k < len(carried) else None
    direct = total if later is None else total - later
    if name == "c" and carried and carried[0] is not None:  # what that sent through h has reached c as well
        direct = torch.full_like(total, torch.nan)
    call.add(0, [Gradients(zeros | {name: total}, zeros | {name: direct})])


def _tracked(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """The arguments; if nothing given to a frozen cell requires a gradient, with an input that does."""
    tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
    if not args or any(t.requires_grad for t in (*tensors, *module.parameters())):
        return args
    return args[0] + torch.zeros((), dtype=args[0].dtype, device=args[0].device, requires_grad=True), *args[1:]


def _with_batch(state: Tensor) -> Tensor:
    """[B, D], of a state without a batch dimension as well."""
    return state if state.dim() == 2 else state[None]
