"""LSTMs that lack one part, as named by Greff et al. 2015. A gate that is not there has no parameters.

Shapes: B batch, I input, D hidden.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor

from seqablate.engine.cell import Cell, States, Weights
from seqablate.engine.tanh import Tanh

VARIANTS = {  # by name: the gate that is not there
    "no_input_gate": "i",  # NIG: i = 1
    "no_forget_gate": "f",  # NFG: f = 1
    "no_output_gate": "o",  # NOG: o = 1
    "coupled_gates": "f",  # CIFG: f = 1 - i
    "no_input_activation": None,  # NIAF: g without its tanh
    "no_output_activation": None,  # NOAF: h' = o c'
}


def step(name: str, gates: tuple[str, ...], x_BI: Tensor, states: States, w: Weights) -> States:
    """The LSTM's formula without one of its parts, as named by Greff et al. 2015; no peepholes, as in torch's."""
    h_BD, c_BD = states
    blocks = (w.from_input(x_BI) + w.from_hidden(h_BD)).chunk(len(gates), dim=1)
    a = dict(zip(gates, blocks, strict=True))
    i, f, o = (a[gate].sigmoid() if gate in a else 1.0 for gate in "ifo")
    f = 1 - i if name == "coupled_gates" else f
    g = a["g"] if name == "no_input_activation" else a["g"].tanh()
    c_BD = f * c_BD + i * g
    shown_BD = w.from_cell(c_BD)
    return o * (shown_BD if name == "no_output_activation" else Tanh.apply(shown_BD)), c_BD


def _cell(name: str) -> Cell:
    gates = tuple(gate for gate in "ifgo" if gate != VARIANTS[name])
    return Cell(f"lstm_{name}", gates, ("h", "c"), partial(step, name, gates), base="lstm")


CELLS = tuple(map(_cell, VARIANTS))
