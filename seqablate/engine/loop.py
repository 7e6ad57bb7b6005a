"""The plain path: a cell's formula, step by step, under autograd. Any cell, any device; slow.

Shapes: T time, B batch, N steps of all samples (T*B), I input, D hidden.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from seqablate.engine.call import Weights
from seqablate.engine.cells import Cell, States
from seqablate.engine.gradients import ByState, Gradients, Kind, Observer


def run(cell: Cell, x_TBI: Tensor, states: States, w: Weights, observer: Observer | None) -> tuple[Tensor, States]:
    """Run any cell; see :class:`seqablate.engine.recurrence.Recurrence`."""
    if observer is not None:
        return _Watch(cell, observer).run(x_TBI, states, w)
    output = []
    for x_BI in x_TBI:
        states = cell.step(x_BI, states, w)
        output.append(states[0])
    return torch.stack(output), states


class _Watch:
    """One observed call: keeps what a backward pass brings to each state, and reports when it has come through.

    It holds detached tensors only. A hook that held a tensor of the graph it hangs on would keep both alive for ever.
    """

    def __init__(self, cell: Cell, observer: Observer) -> None:
        self.cell, self.observer = cell, observer
        self.names = cell.states if observer.cell_states else cell.states[:1]
        self.past: list[States] = []
        self.arrived: dict[tuple[Kind, int, str], Tensor] = {}

    def run(self, x_TBI: Tensor, states: States, w: Weights) -> tuple[Tensor, States]:
        """The same loop, listening at each state: to the state itself, and to a view that only the outside reads."""
        self.x = x_TBI.detach()
        self.w = Weights(w.w_ih.detach(), w.w_hh.detach(), *(None if p is None else p.detach() for p in w[2:]))
        anchor = torch.zeros((), device=x_TBI.device, requires_grad=True)
        x_TBI, *rest = _Entrance.apply(self, anchor, x_TBI, *states, *w)
        states, w = tuple(rest[: len(states)]), Weights(*rest[len(states) :])
        output = []
        for t, x_BI in enumerate(x_TBI):
            self.past.append(tuple(state.detach() for state in states))
            states = self.cell.step(x_BI, states, w)
            shown = tuple(state.view_as(state) for state in states)
            self._listen("total", t, states)
            self._listen("direct", t, shown)
            output.append(shown[0])
        return torch.stack(output), tuple(state.view_as(state) for state in shown)  # a caller's hook comes before ours

    def _listen(self, kind: Kind, t: int, states: States) -> None:
        for name, state in zip(self.names, states, strict=False):
            state.register_hook(partial(self._keep, (kind, t, name)))

    def _keep(self, place: tuple[Kind, int, str], gradient: Tensor) -> None:
        self.arrived[place] = gradient.detach()

    def report(self) -> None:
        """Tell the observer: no more can arrive at any state in this backward pass."""
        total, direct = self._over_time("total"), self._over_time("direct")
        self.arrived = {}
        if len(self.names) > 1:
            self._add_through_h(direct)
        self.observer.receive(Gradients(total, direct))

    def _over_time(self, kind: Kind) -> ByState:
        """[T, B, D] by state; zero where nothing arrived."""
        return {
            name: torch.stack(
                [self.arrived.get((kind, t, name), torch.zeros_like(past[k])) for t, past in enumerate(self.past)]
            )
            for k, name in enumerate(self.names)
        }

    def _add_through_h(self, direct: ByState) -> None:
        """Add what reaches the other states through h of their own timestep.

        Every step is made again, cut from its past; as they no longer need each other, all in one batch.
        """
        past_ND = tuple(torch.cat(steps).requires_grad_() for steps in zip(*self.past, strict=True))
        with torch.enable_grad():
            h_ND, *others = self.cell.step(self.x.flatten(0, 1), past_ND, self.w)
            found = torch.autograd.grad(h_ND, others, direct[self.names[0]].flatten(0, 1), allow_unused=True)
        for name, d_ND in zip(self.names[1:], found, strict=True):
            if d_ND is not None:
                direct[name] += d_ND.view_as(direct[name])


class _Entrance(torch.autograd.Function):
    """Lets everything that goes into a call through; a backward pass that comes back here has been at every state.

    The anchor makes sure that it comes when neither input nor weights require a gradient.
    """

    @staticmethod
    def forward(ctx: Any, watch: _Watch, anchor: Tensor, *inputs: Tensor | None) -> tuple[Tensor | None, ...]:
        ctx.watch = watch
        ctx.set_materialize_grads(False)
        return inputs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        ctx.watch.report()
        return None, None, *gradients
