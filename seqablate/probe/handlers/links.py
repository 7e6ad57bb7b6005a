"""From one call of a module to its next: what flows back through a state that was handed on.

The gradient at a returned h_n is the sum of what the loss sends there and what the next call sends back. The second
part flows back through time, so the direct gradient does not include it. It is measured where the next call receives
the state.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor

from seqablate.probe.gradients import CallGradients
from seqablate.probe.handlers.outputs import Heard

TAG = "seqablate.calls"  # in the metadata of an autograd node: the calls whose results it makes
MOST_NODES = 2000  # of a graph that is searched; in a larger one nothing is said to be known
REASON = (
    "the state that the next call was given is made from this call's results by other operations, or was changed in "
    "place or by a hook: what flows back through it cannot be told from what the loss sends"
)

ToKernel = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class _Final:
    """A state that a call has returned."""

    tensor: weakref.ref[Tensor]
    version: int
    call: CallGradients
    state: int
    to_kernel: ToKernel


class Links:
    """The states that the calls of one module returned, and the calls that take them in."""

    def __init__(self) -> None:
        self._finals: dict[int, _Final] = {}
        self._calls: weakref.WeakSet[CallGradients] = weakref.WeakSet()
        self._latest: weakref.ref[CallGradients] | None = None

    def returned(
        self, call: CallGradients, results: Sequence[Tensor], finals: Sequence[Tensor], to_kernel: ToKernel
    ) -> None:
        """Register what a call has returned.

        Args:
            call: its record.
            results: every tensor of the result that is part of a graph.
            finals: the final states among them, h first.
            to_kernel: reshapes a gradient of a final state as the call's record expects it.
        """
        self._calls.add(call)
        self._latest = weakref.ref(call)
        for tensor in results:
            if tensor.grad_fn is not None:
                _metadata(tensor.grad_fn).setdefault(TAG, weakref.WeakSet()).add(call)
        for state, tensor in enumerate(finals):
            forget = partial(self._forget, id(tensor))
            self._finals[id(tensor)] = _Final(weakref.ref(tensor, forget), tensor._version, call, state, to_kernel)

    def taken_in(self, states: Any) -> Any:
        """The states given to a call, each unchanged or as a tensor that records what flows back through it."""
        if isinstance(states, Tensor):
            return self._taken_in(states)
        if isinstance(states, tuple | list):
            return type(states)(self._taken_in(s) if isinstance(s, Tensor) else s for s in states)
        return states

    def _taken_in(self, state: Tensor) -> Tensor:
        if not state.requires_grad or not self._calls:
            return state
        final = self._finals.get(id(state))
        if final is not None and final.tensor() is state:
            if state._version == final.version and not state._backward_hooks:
                return Heard.apply(lambda g: final.call.carry(final.state, final.to_kernel(g.detach())), state)
            final.call.unknown_direct = REASON
            return state
        for call in self._behind(state):
            call.unknown_direct = REASON
        return state

    def _behind(self, state: Tensor) -> list[CallGradients]:
        """The calls of this module from whose results a tensor was computed."""
        found: list[CallGradients] = []
        seen, waiting = set(), [state.grad_fn]
        while waiting:
            node = waiting.pop()
            if node is None or node in seen:
                continue
            seen.add(node)
            if len(seen) > MOST_NODES:
                latest = None if self._latest is None else self._latest()
                return found if latest is None else [*found, latest]
            calls = [call for call in _metadata(node).get(TAG, ()) if call in self._calls]
            found += calls
            if not calls:
                waiting += [before for before, _ in node.next_functions]
        return found

    def _forget(self, number: int, gone: weakref.ref[Tensor]) -> None:
        if number in self._finals and self._finals[number].tensor is gone:
            del self._finals[number]


def _metadata(node: Any) -> dict[str, Any]:
    """A place where Python code may keep data with a node of the graph, as long as the node exists."""
    found: dict[str, Any] = node.metadata
    return found
