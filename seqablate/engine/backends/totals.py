"""From what flowed back into each step to the total gradient of every state.

Everything here is plain tensor algebra on one layer and one direction, outside autograd; README.md derives it.

Shapes: T time, B batch, I input, D hidden, P projected (D without ``proj_size``), C zero channels (P; a GRU 2*D).
Names: ``direct`` is what arrives through a step's own output; ``flow[t]`` is what step t sends back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import conv2d, linear

Index: TypeAlias = int | tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """The order in which one direction visits the timesteps.

    Attributes:
        steps: the timesteps as visited.
        earlier, later: slices of T such that the state at ``earlier`` feeds the step at ``later``, entry by entry.
        first, last: the steps that each sample begins and ends with, to index [T, B, *].
    """

    steps: range
    earlier: slice
    later: slice
    first: Index
    last: Index

    @classmethod
    def of(cls, steps: int, *, reverse: bool = False, lengths_B: Tensor | None = None) -> Order:
        """``steps`` timesteps, visited from the end when ``reverse``; samples end at ``lengths_B`` when given."""
        end: Index = steps - 1
        if lengths_B is not None:
            end = (lengths_B - 1, torch.arange(len(lengths_B), device=lengths_B.device))
        head, tail = slice(0, steps - 1), slice(1, steps)
        if reverse:
            return cls(range(steps - 1, -1, -1), tail, head, first=end, last=0)
        return cls(range(steps), head, tail, first=0, last=end)

    def delay(self, h_TBP: Tensor, h0_BP: Tensor, *, out: Tensor) -> None:
        """Write h_{t-1} of every step t into ``out`` [T, B, P]."""
        out[self.later] = h_TBP[self.earlier]
        out[self.first] = h0_BP


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """What is kept of one layer and direction to work its gates out again.

    Attributes:
        xh: [T, B, K] what the gates were made from: x_t, h_{t-1}, and channels whose weights are zero.
        w, bias: [G*D, K] and [G*D] (or None), rows by gate; with them a gate is ONE product over all timesteps.
        h: [T, B, P] output.
        c0: [B, D] initial cell state; of use for an LSTM only.
        w_hr: [P, D] projection of an LSTM, or None.
        u_n: [D, D] recurrent matrix of a GRU's candidate, or None.
    """

    order: Order
    xh: Tensor
    w: Tensor
    bias: Tensor | None
    h: Tensor
    c0: Tensor
    w_hr: Tensor | None = None
    u_n: Tensor | None = None

    def gate(self, number: int, gates: int) -> Tensor:
        """Pre-activation of one gate at all timesteps, ``W x_t + U h_{t-1} + b``: [T, B, D]."""
        bias = None if self.bias is None else self.bias.chunk(gates)[number]
        return _product(self.xh, self.w.chunk(gates)[number], bias)


def hidden_total(direct_TBP: Tensor, flow_TBP: Tensor, order: Order) -> Tensor:
    """``delta_h[t] = direct[t] + flow[t+1]``, with t+1 the step visited after t.

    Exact as it stands where h_t reaches later steps through the zero channels' matrix alone (RNN, LSTM).
    """
    delta_TBP = torch.empty_like(direct_TBP, memory_format=torch.contiguous_format)
    end = order.steps[-1]
    torch.add(direct_TBP[order.earlier], flow_TBP[order.later], out=delta_TBP[order.earlier])
    delta_TBP[end] = direct_TBP[end]
    return delta_TBP


def gru_total(direct_TBD: Tensor, flow_TBC: Tensor, memory: Memory) -> Tensor:
    """``delta_h[t] = direct[t] + U_r^T d_r + U_z^T d_z + U_n^T (r d_n) + z delta_h[t+1]``, all of step t+1.

    ``flow`` holds ``U_r^T d_r + U_z^T d_z`` and, behind it, d_n; r and z are worked out again.
    """
    assert memory.u_n is not None
    flow_TBD, d_n_TBD = flow_TBC.chunk(2, dim=-1)
    r_TBD, z_TBD = memory.gate(0, 3).sigmoid_(), memory.gate(1, 3).sigmoid_()
    through_n = r_TBD.mul_(d_n_TBD).flatten(0, 1) @ memory.u_n
    flow_TBD = through_n.view_as(z_TBD).add_(flow_TBD)
    delta_TBD = hidden_total(direct_TBD, flow_TBD, memory.order)
    _scan_back(delta_TBD, z_TBD, memory.order)
    return delta_TBD


def cell_total(
    total_TBP: Tensor, direct_TBP: Tensor, direct_c_n_BD: Tensor | None, memory: Memory
) -> tuple[Tensor, Tensor]:
    """An LSTM's delta_c and its direct part, both [T, B, D].

    ``delta_c[t] = W_hr^T delta_h[t] * o_t (1 - tanh(c_t)^2) + f_{t+1} delta_c[t+1]``, and at a sample's last step also
    what reached a returned c_n. The direct part is the same expression with ``direct[t]`` for ``delta_h[t]`` and no
    f-term: what arrives at c_t within its own timestep.
    """
    f_TBD, slope_TBD = _slope(memory)
    if memory.w_hr is not None:
        total_TBP, direct_TBP = total_TBP @ memory.w_hr, direct_TBP @ memory.w_hr
    direct_TBD = direct_TBP * slope_TBD
    delta_TBD = torch.mul(total_TBP, slope_TBD, out=slope_TBD)
    if direct_c_n_BD is not None:
        direct_TBD[memory.order.last] += direct_c_n_BD
        delta_TBD[memory.order.last] += direct_c_n_BD
    _scan_back(delta_TBD, f_TBD, memory.order)
    return delta_TBD, direct_TBD


def _slope(memory: Memory) -> tuple[Tensor, Tensor]:
    """f and ``dm_t/dc_t = o (1 - tanh(c)^2)``, both [T, B, D], with c worked out again.

    ``o / cosh(c)^2`` has no difference of rounded numbers in it. ``tanh(c) = h / o`` would do without c, but is 1 in
    float32 where abs(c) is above 9.
    """
    i_TBD, f_TBD = memory.gate(0, 4).sigmoid_(), memory.gate(1, 4).sigmoid_()
    c_TBD = i_TBD.mul_(memory.gate(2, 4).tanh_())
    order = memory.order
    c_TBD[order.first] += f_TBD[order.first] * memory.c0
    # Nothing from before a sample's first step (padding, in reverse) may enter it.
    f_TBD[order.first] = 0
    c, f_steps = c_TBD.unbind(0), f_TBD.unbind(0)
    for before, t in zip(order.steps, order.steps[1:], strict=False):
        c[t].addcmul_(f_steps[t], c[before])
    slope_TBD = c_TBD.cosh_().square_().reciprocal_()
    return f_TBD, slope_TBD.mul_(memory.gate(3, 4).sigmoid_())


def _scan_back(delta_TBD: Tensor, keep_TBD: Tensor, order: Order) -> None:
    """In place, against the order of steps: ``delta[t] += keep[t+1] * delta[t+1]``."""
    delta, keep = delta_TBD.unbind(0), keep_TBD.unbind(0)
    for t, after in zip(order.steps[-2::-1], order.steps[:0:-1], strict=True):
        delta[t].addcmul_(keep[after], delta[after])


def _product(x_TBK: Tensor, w_DK: Tensor, b_D: Tensor | None) -> Tensor:
    """``x W^T + b``: [T, B, D].

    In float32 on a CPU as a 1x1 convolution over channels-last memory, which goes to oneDNN, like nn.LSTM itself; a
    matrix product goes to MKL, which took twice as long on AMD processors.
    """
    if x_TBK.is_cpu and x_TBK.dtype == torch.float32 and x_TBK.numel():
        return conv2d(x_TBK.mT[:, :, None], w_DK[:, :, None, None], b_D)[:, :, 0].mT
    return linear(x_TBK, w_DK, b_D)
