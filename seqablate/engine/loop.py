"""The plain path: a cell's formula, step by step, under autograd. Any cell, any device; slow.

Shapes: T time, B batch, I input, D hidden.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd.graph import register_multi_grad_hook

from seqablate.engine.call import Weights
from seqablate.engine.cells import Cell, States
from seqablate.engine.gradients import Gradients, Observer


def run(cell: Cell, x_TBI: Tensor, states: States, w: Weights, observer: Observer | None) -> tuple[Tensor, States]:
    """Run any cell; see :class:`seqablate.engine.recurrence.Recurrence`."""
    steps = [states]
    for x_BI in x_TBI:
        steps.append(cell.step(x_BI, steps[-1], w))
    output_TBD = torch.stack([states[0] for states in steps[1:]])
    if observer is None:
        return output_TBD, steps[-1]
    final = tuple(state.view_as(state) for state in steps[-1])  # apart, to tell what reaches them from outside
    _listen(cell, x_TBI, steps, w, output_TBD, final, observer)
    return output_TBD, final


def _listen(
    cell: Cell, x_TBI: Tensor, steps: list[States], w: Weights, output_TBD: Tensor, final: States, observer: Observer
) -> None:
    """Tell the observer once a backward pass has brought a gradient to all of these tensors."""
    T, count = len(x_TBI), len(cell.states)
    watched = [output_TBD, *final, *(state for states in steps[1:] for state in states)]

    def tell(found: Sequence[Tensor | None]) -> None:
        d_output, d_final, d_steps = found[0], found[1 : 1 + count], found[1 + count :]
        total = {name: _stack(d_steps[k::count], steps[1][k]) for k, name in enumerate(cell.states)}
        direct_h = torch.zeros_like(output_TBD) if d_output is None else d_output.clone()
        if d_final[0] is not None:
            direct_h[T - 1] += d_final[0]
        direct = {"h": direct_h}
        if count > 1 and observer.cell_states:
            direct |= _direct(cell, x_TBI, steps, w, direct_h, d_final)
        names = cell.states if observer.cell_states else cell.states[:1]
        observer.receive(Gradients({name: total[name] for name in names}, direct))

    register_multi_grad_hook(watched, tell)


def _stack(gradients: Sequence[Tensor | None], like: Tensor) -> Tensor:
    return torch.stack([torch.zeros_like(like) if g is None else g.detach() for g in gradients])


def _direct(
    cell: Cell, x_TBI: Tensor, steps: list[States], w: Weights, direct_h: Tensor, d_final: Sequence[Tensor | None]
) -> dict[str, Tensor]:
    """The direct part of every state but h: what reaches it through h of its own timestep, and as a final state.

    Each step is made again on its own, cut from its past.
    """
    w = Weights(w.w_ih.detach(), w.w_hh.detach(), *(None if p is None else p.detach() for p in w[2:]))
    found: list[list[Tensor | None]] = [[] for _ in cell.states[1:]]
    for t, x_BI in enumerate(x_TBI.detach()):
        past = tuple(state.detach().requires_grad_() for state in steps[t])
        with torch.enable_grad():
            h_BD, *others = cell.step(x_BI, past, w)
            for k, d in enumerate(torch.autograd.grad(h_BD, others, direct_h[t], allow_unused=True)):
                found[k].append(d)
    direct = {name: _stack(d, steps[1][k + 1]) for k, (name, d) in enumerate(zip(cell.states[1:], found, strict=True))}
    for name, arrived in zip(cell.states[1:], d_final[1:], strict=True):
        if arrived is not None:
            direct[name][-1] += arrived
    return direct
