"""The recurrences as plain loops of cells, every state kept: what the fast path is held against.

Slow and meant to be read. ``retain_grad()`` is called on every h_t and c_t, so that after ``loss.backward()`` their
``.grad`` is the TOTAL gradient: what came through the step's own output and what came back through later steps.

Shapes: T time, B batch, I input, D hidden, P projected (D without ``proj_size``), L layers, S directions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import dropout

from seqablate.engine.backends.torch_call import KernelCall
from seqablate.engine.cell import States, Weights
from seqablate.engine.cells import CELLS


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """What the loop made: torch's own results, and every state on the way.

    Attributes:
        output: [T, B, S*P], zero where a sample has ended.
        final: the last states of every layer and direction: h_n [L*S, B, P], and c_n [L*S, B, D] for an LSTM.
        states: ``states[layer][direction][t]`` is (h_t [B, P],) or (h_t, c_t [B, D]).
    """

    output: Tensor
    final: States
    states: list[list[list[States]]]

    def gradient(self, layer: int, direction: int, state: str) -> Tensor:
        """dL/dh_t (``state="h"``) or dL/dc_t (``"c"``) of all timesteps [T, B, *]; zero where no gradient arrived."""
        steps = [states["hc".index(state)] for states in self.states[layer][direction]]
        return torch.stack([torch.zeros_like(step) if step.grad is None else step.grad for step in steps])


def loop(call: KernelCall, *, cut: int | None = None) -> Trace:
    """Run a kernel call as a loop over layers, directions and timesteps.

    Args:
        call: the call; packed input is taken as well. Its input, initial states or weights must require a gradient.
        cut: a layer whose states are detached on their way to the next timestep. What then still arrives at its
            states is the DIRECT part of the gradient.

    Example:
        >>> lstm, x_TBI, zeros = torch.nn.LSTM(3, 4), torch.randn(5, 2, 3), torch.zeros(1, 2, 4)
        >>> trace = loop(KernelCall("lstm", x_TBI, (zeros, zeros), [[Weights(*lstm._flat_weights)]]))
        >>> trace.output[-1].sum().backward()
        >>> trace.gradient(0, 0, "h").shape
        torch.Size([5, 2, 4])
    """
    padding = call.padding()
    x_TBI = call.x if padding is None else padding.pad(call.x)
    alive_TB = x_TBI.new_ones(x_TBI.shape[:2], dtype=torch.bool) if padding is None else padding.valid_TB
    kept, final = [], []
    for layer, weights in enumerate(call.layers):
        if layer and call.dropout and call.train:
            x_TBI = dropout(x_TBI, call.dropout)
        outputs, kept_here = [], []
        for direction, w in enumerate(weights):
            initial = tuple(state[direction] for state in call.initial(layer))
            steps, last = _one_direction(call.cell, x_TBI, alive_TB, initial, w, direction == 1, cut == layer)
            outputs.append(torch.stack([states[0] for states in steps]) * alive_TB[:, :, None])
            kept_here.append(steps)
            final.append(last)
        x_TBI = torch.cat(outputs, dim=-1)
        kept.append(kept_here)
    return Trace(x_TBI, tuple(torch.stack(states) for states in zip(*final, strict=True)), kept)


def _one_direction(
    cell: str, x_TBI: Tensor, alive_TB: Tensor, states: States, w: Weights, reverse: bool, cut: bool
) -> tuple[list[States], States]:
    """The states of all timesteps, by real timestep, and each sample's last ones."""
    steps: list[States] = [()] * len(x_TBI)
    formula = CELLS[cell].formula(w)
    for t in reversed(range(len(x_TBI))) if reverse else range(len(x_TBI)):
        past = tuple(state.detach() for state in states) if cut else states
        steps[t] = formula(x_TBI[t], past)
        for state in steps[t]:
            state.retain_grad()
        # A sample that has ended (or, in reverse, not yet begun) keeps the states it has.
        states = tuple(torch.where(alive_TB[t, :, None], new, old) for new, old in zip(steps[t], states, strict=True))
    return steps, states
