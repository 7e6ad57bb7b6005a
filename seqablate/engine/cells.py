"""The cells: which gates and states each has, and its formula for one step.

A cell is a :class:`Cell` in ``CELLS``, and its formula is all that the plain loop needs. Cells that torch or
``kernels.py`` also knew whole sequences of run there (see ``recurrence.py``).

Shapes: B batch, I input, D hidden, P projected (D without ``proj_size``), G gates. Weights are laid out as in torch.nn:
``w_ih`` [G*D, I] and ``w_hh`` [G*D, P], one block of D rows per gate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear

from seqablate.engine.call import Weights

States = tuple[Tensor, ...]  # (h,), or (h, c)


@dataclass(frozen=True, slots=True)
class Cell:
    """One kind of recurrence.

    Attributes:
        name: key in ``CELLS``; torch's name of the kernel where torch has one.
        gates: the blocks of the weight matrices, in order.
        states: ``("h",)`` or ``("h", "c")``; the first is the output.
        step: ``(x_BI, states, *weights) -> states``, the formula; ``weights`` by ``blocks``.
        blocks: how many gates, in order, the formula takes at once; all when empty. A layer norm is over one block.
        fused: whether ``torch._VF`` and ``kernels.py`` have it as one call.
        base: the cell of which this one lacks a part. Gates of one name start from the same values in both.
    """

    name: str
    gates: tuple[str, ...]
    states: tuple[str, ...]
    step: Callable[..., States]
    blocks: tuple[int, ...] = ()
    fused: bool = False
    base: str | None = None

    def formula(self, w: Weights) -> Callable[[Tensor, States], States]:
        """``(x_BI, states) -> states``: one step with these weights."""
        weights = w.split(self.blocks) if self.blocks else (w,)
        return lambda x_BI, states: self.step(x_BI, states, *weights)


class _Tanh(torch.autograd.Function):
    """tanh whose derivative is ``4 s / (1 + s)^2`` with ``s = exp(-2 |x|)``.

    torch's own is ``1 - y^2``, of a y that is rounded: in float32 7 % off at 7 and 0 from 9 on. A cell state can be
    that large.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.tanh()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, d_y: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        s = (-2 * x.abs()).exp()
        return d_y * (4 * s / (1 + s).square())


def rnn_tanh_step(x_BI: Tensor, states: States, w: Weights) -> States:
    """``h' = tanh(W_ih x + b_ih + W_hh h + b_hh)`` (Elman 1990)."""
    (h_BD,) = states
    return (torch.tanh(w.from_input(x_BI) + w.from_hidden(h_BD)),)


def rnn_relu_step(x_BI: Tensor, states: States, w: Weights) -> States:
    """``h' = relu(W_ih x + b_ih + W_hh h + b_hh)`` (Le et al. 2015)."""
    (h_BD,) = states
    return (torch.relu(w.from_input(x_BI) + w.from_hidden(h_BD)),)


def lstm_step(x_BI: Tensor, states: States, w: Weights) -> States:
    """``c' = f c + i g`` and ``h' = o tanh(c')`` (Gers et al. 2000), projected by W_hr (Sak et al. 2014)."""
    h_BP, c_BD = states
    i, f, g, o = (w.from_input(x_BI) + w.from_hidden(h_BP)).chunk(4, dim=1)
    c_BD = f.sigmoid() * c_BD + i.sigmoid() * g.tanh()
    m_BD = o.sigmoid() * _Tanh.apply(w.from_cell(c_BD))
    return (m_BD if w.w_hr is None else linear(m_BD, w.w_hr)), c_BD


def gru_step(x_BI: Tensor, states: States, w_rz: Weights, w_n: Weights) -> States:
    """``n = tanh(W_n x + b + r (U_n h + b'))`` and ``h' = (1 - z) n + z h`` (Cho et al. 2014, r placed as in cuDNN)."""
    (h_BD,) = states
    r_BD, z_BD = (w_rz.from_input(x_BI) + w_rz.from_hidden(h_BD)).sigmoid().chunk(2, dim=1)
    n_BD = (w_n.from_input(x_BI) + r_BD * w_n.from_hidden(h_BD)).tanh()
    return ((1 - z_BD) * n_BD + z_BD * h_BD,)


def mgu_step(x_BI: Tensor, states: States, w_f: Weights, w_n: Weights) -> States:
    """``f = sigmoid(W_f x + U_f h + b_f)``, ``n = tanh(W_n x + U_n (f h) + b_n)`` and ``h' = (1 - f) h + f n``.

    Minimal gated unit (Zhou et al. 2016, eq. 8-10).
    """
    (h_BD,) = states
    f_BD = (w_f.from_input(x_BI) + w_f.from_hidden(h_BD)).sigmoid()
    n_BD = (w_n.from_input(x_BI) + w_n.from_hidden(f_BD * h_BD)).tanh()
    return ((1 - f_BD) * h_BD + f_BD * n_BD,)


LSTM_VARIANTS = {  # by name: the gate that is not there
    "no_input_gate": "i",  # NIG: i = 1
    "no_forget_gate": "f",  # NFG: f = 1
    "no_output_gate": "o",  # NOG: o = 1
    "coupled_gates": "f",  # CIFG: f = 1 - i
    "no_input_activation": None,  # NIAF: g without its tanh
    "no_output_activation": None,  # NOAF: h' = o c'
}


def lstm_variant_step(name: str, gates: tuple[str, ...], x_BI: Tensor, states: States, w: Weights) -> States:
    """The LSTM's formula without one of its parts, as named by Greff et al. 2015; no peepholes, as in torch's."""
    h_BD, c_BD = states
    blocks = (w.from_input(x_BI) + w.from_hidden(h_BD)).chunk(len(gates), dim=1)
    a = dict(zip(gates, blocks, strict=True))
    i, f, o = (a[gate].sigmoid() if gate in a else 1.0 for gate in "ifo")
    f = 1 - i if name == "coupled_gates" else f
    g = a["g"] if name == "no_input_activation" else a["g"].tanh()
    c_BD = f * c_BD + i * g
    shown_BD = w.from_cell(c_BD)
    return o * (shown_BD if name == "no_output_activation" else _Tanh.apply(shown_BD)), c_BD


def lstm_variant(name: str) -> Cell:
    """The cell of a variant. A gate that is not there has no parameters."""
    gates = tuple(gate for gate in "ifgo" if gate != LSTM_VARIANTS[name])
    return Cell(f"lstm_{name}", gates, ("h", "c"), partial(lstm_variant_step, name, gates), base="lstm")


CELLS = {
    cell.name: cell
    for cell in (
        Cell("rnn_tanh", ("h",), ("h",), rnn_tanh_step, fused=True),
        Cell("rnn_relu", ("h",), ("h",), rnn_relu_step, fused=True),
        Cell("lstm", ("i", "f", "g", "o"), ("h", "c"), lstm_step, fused=True),
        Cell("gru", ("r", "z", "n"), ("h",), gru_step, blocks=(2, 1), fused=True),
        Cell("mgu", ("f", "n"), ("h",), mgu_step, blocks=(1, 1)),
        *map(lstm_variant, LSTM_VARIANTS),
    )
}
