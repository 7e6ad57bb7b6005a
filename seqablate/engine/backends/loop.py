"""The plain path: a cell's formula, step by step, under autograd. Any cell, any device; slow.

Shapes: T time, B batch, N steps of all samples (T*B), I input, D hidden, k steps skipped.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from seqablate.engine.backends.runner import enter
from seqablate.engine.cell import Cell, States, Weights
from seqablate.engine.gradients import ByState, Gradients, Kind
from seqablate.engine.ports import Clipping, Observer, Ports


def run(cell: Cell, x_TBI: Tensor, states: States, w: Weights, ports: Ports) -> tuple[Tensor, States]:
    """Run any cell; see :class:`seqablate.engine.recurrence.Recurrence`.

    One state more than the cell has is the last k outputs [k, B, D], the oldest first. Then h_{t-k} is an input like
    x_t: a step's input is [x_t, h_{t-k}], and the formula is given [W_ih, W_skip] [G*D, I+D] for W_ih.
    """
    if w.w_skip is not None:
        w = w._replace(w_ih=torch.cat([w.w_ih, w.w_skip], dim=1), w_skip=None)
    if ports.observer is not None:
        return _Watch(cell, ports.observer).run(x_TBI, states, w, ports.clipping)
    count, formula = len(cell.states), _formula(cell, w, ports.clipping)
    states, outputs = states[:count], _Outputs(states[count:])
    for x_BI in x_TBI:
        states = formula(outputs.beside(x_BI), states)
        outputs.h.append(states[0])
    return outputs.of_call(), (*states, *outputs.last())


def _formula(cell: Cell, w: Weights, clipping: Clipping | None) -> Callable[[Tensor, States], States]:
    """One step of the cell, whose new states have their total gradients clipped."""
    formula = cell.formula(w)
    if clipping is None:
        return formula

    def step(x_BI: Tensor, states: States) -> States:
        states = formula(x_BI, states)
        for state in states:
            if state.requires_grad:
                state.register_hook(clipping.hook)
        return states

    return step


class _Outputs:
    """h of every step so far, led by the k steps before the call.

    Attributes:
        h: each [B, D].
        k: how far back a step reads; 0 when it does not.
    """

    def __init__(self, before: States) -> None:
        self.h = [h_BD for h_kBD in before for h_BD in h_kBD]
        self.k = len(self.h)

    def beside(self, x_BI: Tensor) -> Tensor:
        """What the next step reads: ``[x_t, h_{t-k}]``, or x_t alone."""
        return torch.cat([x_BI, self.h[-self.k]], dim=1) if self.k else x_BI

    def of_call(self) -> Tensor:
        """[T, B, D]."""
        return torch.stack(self.h[self.k :])

    def last(self) -> States:
        """What the next call will read, [k, B, D]; nothing without a skip."""
        return (torch.stack(self.h[-self.k :]),) if self.k else ()


class _Watch:
    """One observed call: keeps what a backward pass brings to each state, and reports when it has come through.

    It holds detached tensors only. A hook that held a tensor of the graph it hangs on would keep both alive for ever.
    """

    def __init__(self, cell: Cell, observer: Observer) -> None:
        self.cell, self.observer = cell, observer
        self.names = cell.states if observer.cell_states else cell.states[:1]
        self.read: list[Tensor] = []
        self.past: list[States] = []
        self.arrived: dict[tuple[Kind, int, str], Tensor] = {}
        self.task = -1  # the backward pass in which it arrived

    def run(self, x_TBI: Tensor, states: States, w: Weights, clipping: Clipping | None) -> tuple[Tensor, States]:
        """The same loop, listening at each state: to the state itself, and to a view that only the outside reads.

        Hooks on a state are called in the order in which they were set: what is heard of it has been clipped.
        """
        self.w = Weights(w.w_ih.detach(), w.w_hh.detach(), *(None if p is None else p.detach() for p in w[2:]))
        x_TBI, states, w = enter(self.report, x_TBI, states, w)
        count, formula = len(self.cell.states), _formula(self.cell, w, clipping)
        inner, outer = _Outputs(states[count:]), _Outputs(states[count:])
        states = states[:count]
        for t, x_BI in enumerate(x_TBI):
            read = inner.beside(x_BI)
            self.read.append(read.detach())
            self.past.append(tuple(state.detach() for state in states))
            states = formula(read, states)
            shown = tuple(state.view_as(state) for state in states)
            self._listen("total", t, states)
            self._listen("direct", t, shown)
            inner.h.append(states[0])
            outer.h.append(shown[0])
        final = (state.view_as(state) for state in shown)  # a caller's hook comes before ours
        return outer.of_call(), (*final, *outer.last())

    def _listen(self, kind: Kind, t: int, states: States) -> None:
        for name, state in zip(self.names, states, strict=False):
            state.register_hook(partial(self._keep, (kind, t, name)))

    def _keep(self, place: tuple[Kind, int, str], gradient: Tensor) -> None:
        task = torch._C._current_graph_task_id()
        if task != self.task:  # what an earlier pass left that did not come back to the beginning of the call
            self.arrived, self.task = {}, task
        self.arrived[place] = gradient.detach()

    def report(self) -> None:
        """Tell the observer: no more can arrive at any state in this backward pass."""
        total, direct = self._over_time("total"), self._over_time("direct")
        self.arrived = {}
        self._leave_out(direct)
        if len(self.names) > 1:
            self._add_through_h(direct)
        self.observer.receive(Gradients(total, direct))

    def _leave_out(self, direct: ByState) -> None:
        """Take what later calls sent back to the final states out of what arrived there."""
        carried, states = self.observer.carried(), len(self.cell.states)
        later: ByState = {}
        for name, later_BD in zip(self.names, carried[:states], strict=False):
            if later_BD is not None:
                later[name] = torch.zeros_like(direct[name])
                later[name][-1] = later_BD
        for later_kBD in carried[states:]:  # h of the last k steps; steps before this call are not its own
            if later_kBD is not None:
                h, steps = self.names[0], min(len(later_kBD), len(self.past))
                later.setdefault(h, torch.zeros_like(direct[h]))[-steps:] += later_kBD[-steps:]
        for name, part in later.items():
            direct[name] -= part

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
            h_ND, *others = self.cell.formula(self.w)(torch.cat(self.read), past_ND)
            found = torch.autograd.grad(h_ND, others, direct[self.names[0]].flatten(0, 1), allow_unused=True)
        for name, d_ND in zip(self.names[1:], found, strict=True):
            if d_ND is not None:
                direct[name] += d_ND.view_as(direct[name])
