"""Dilated recurrences, h_t = f(x_t, h_{t-d}), as d sequences side by side (Chang et al. 2017, eq. 1 and fig. 2).

Step t is step t // d of phase t % d. Phases never meet, so they stand in the batch, and any backend runs them. With
T = R*d + r the first r phases have R + 1 steps and the others have R. These are two calls, because what comes back from
a call is every phase's state after its own last step.

Shapes: T time, B batch, I input, D hidden, d dilation, P phases of one call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from seqablate.engine.backends.runner import Runner, enter
from seqablate.engine.cell import Cell, States, Weights
from seqablate.engine.gradients import ByState, Carried, Gradients
from seqablate.engine.ports import Observer, Ports


def run(runner: Runner, cell: Cell, x_TBI: Tensor, states: States, w: Weights, ports: Ports) -> tuple[Tensor, States]:
    """Run a dilated recurrence on any backend.

    Args:
        runner: the backend.
        cell, x_TBI, w: as the backend takes them.
        states: each [d, B, D], with what the next step reads in front.
        ports: the observer is told one :class:`Gradients` over [T, B].

    Returns:
        Output [T, B, D], and the states [d, B, D] for a step T.
    """
    phases = _Phases(x_TBI.shape[0], x_TBI.shape[1], len(states[0]))
    watch = None if ports.observer is None else _Watch(ports.observer, phases)
    if watch is not None:
        x_TBI, states, w = enter(watch.report, x_TBI, states, w)
    outputs = []
    for k, (part, x) in enumerate(zip(phases.parts, phases.sort(x_TBI), strict=True)):
        initial = tuple(state[part].flatten(0, 1) for state in states)
        inner = ports if watch is None else ports._replace(observer=watch.observer(k))
        output, final = runner(cell, x, initial, w, inner)
        outputs.append(output)
        states = tuple(phases.put(part, new, state) for new, state in zip(final, states, strict=True))
    return phases.weave(outputs), tuple(state.roll(-phases.T, 0) for state in states)


@dataclass(frozen=True, slots=True)
class _Phases:
    """Where the steps of a call stand once they are sorted by phase."""

    T: int
    B: int
    d: int

    @property
    def parts(self) -> list[slice]:
        """The phases of each call: those with a step more than the others, and the others."""
        more = self.T % self.d
        return [part for part in (slice(0, more), slice(more, self.d)) if part.start < min(part.stop, self.T)]

    def sort(self, x_TBI: Tensor) -> list[Tensor]:
        """The input of each part, [steps, P*B, I]."""
        if len(self.parts) == 1:
            return [x_TBI.unflatten(0, (-1, self.parts[0].stop)).flatten(1, 2)]
        more = self.T % self.d
        rounds, last = x_TBI.split([self.T - more, more])
        first, others = rounds.unflatten(0, (-1, self.d)).split([more, self.d - more], dim=1)
        return [torch.cat([first, last[None]]).flatten(1, 2), others.flatten(1, 2)]

    def weave(self, found: Sequence[Tensor]) -> Tensor:
        """What the parts have at each of their steps, [steps, P*B, ...], as [T, B, ...]."""
        first, *others = (self._by_phase(part, steps, 1) for part, steps in zip(self.parts, found, strict=True))
        if not others:
            return first.flatten(0, 1)
        rounds = torch.cat([first[:-1], *others], dim=1)
        return torch.cat([rounds.flatten(0, 1), first[-1]])

    def put(self, part: slice, new: Tensor, state_dBD: Tensor) -> Tensor:
        """The states [d, B, D] with new ones of some phases, [P*B, D], in their place."""
        return torch.cat([state_dBD[: part.start], self._by_phase(part, new, 0), state_dBD[part.stop :]])

    def _by_phase(self, part: slice, values: Tensor, dim: int) -> Tensor:
        return values.unflatten(dim, (part.stop - part.start, self.B))


class _Watch:
    """One observed call: gathers what its parts report, and reports it as one.

    A backward pass that comes to the call comes to every part, for each of its results is made of all of them.
    """

    def __init__(self, outer: Observer, phases: _Phases) -> None:
        self.outer, self.phases = outer, phases
        self.found: dict[int, Gradients] = {}

    def observer(self, k: int) -> Observer:
        """The observer of the k-th part."""
        return Observer(
            partial(self._keep, k),
            self.outer.cell_states,
            self.outer.vectors,
            partial(self._carried, self.phases.parts[k]),
        )

    def _carried(self, part: slice) -> Carried:
        """What later calls sent back to the final states of one part's phases."""
        later = self.outer.carried()
        return tuple(None if g is None else g.roll(self.phases.T, 0)[part].flatten(0, 1) for g in later)

    def _keep(self, k: int, found: Gradients) -> None:
        self.found[k] = found

    def report(self) -> None:
        """Tell the observer: the backward pass has been at every state."""
        parts = [self.found.pop(k) for k in range(len(self.phases.parts))]
        vectors = [part.total for part in parts], [part.direct for part in parts]
        norms = [part.norms("total") for part in parts], [part.norms("direct") for part in parts]
        self.outer.receive(Gradients(*map(self._in_time, (*vectors, *norms))))

    def _in_time(self, parts: list[ByState]) -> ByState:
        return {name: self.phases.weave([part[name] for part in parts]) for name in parts[0]}
