"""LSTMs that lack one part, as named by Greff et al. 2015. A gate that is not there has no parameters.

Their kernels are the LSTM's. These are told which part is not there, and given weights of 0 for a gate without any.

Shapes: B batch, I input, D hidden.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from seqablate.engine.cell import Cell, Kernels, States, Weights
from seqablate.engine.cells.lstm import Form, run_backward, run_forward
from seqablate.engine.tanh import Tanh

if TYPE_CHECKING:
    from seqablate.engine.kernels.arrays import Array, Backward, Call

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


def _forward(call: Call, *, form: Form, at: list[int]) -> None:
    run_forward(_whole(call, at), form=form)


def _backward(call: Call, back: Backward, *, form: Form, at: list[int]) -> list[Array]:
    rows = 4 * call.over_time[0].shape[2]
    found = run_backward(_whole(call, at), back, form=form)
    return [_gates(d)[at].reshape(-1, *d.shape[1:]) if len(d) == rows else d for d in found]


def _whole(call: Call, at: list[int]) -> Call:
    """The call with the weights of all four gates: 0 where there is no gate, its rows where it stands (``at``)."""
    rows = 4 * call.over_time[0].shape[2]

    def whole(w: Array) -> Array:
        found = np.zeros((rows, *w.shape[1:]), w.dtype)
        _gates(found)[at] = w.reshape(len(at), -1)
        return found

    weights = [*map(whole, call.weights[:6]), *call.weights[6:]]
    w_skip = None if call.w_skip is None else whole(call.w_skip)
    return replace(call, weights=weights, w_skip=w_skip, blocks=[slice(0, rows)])


def _gates(w: Array) -> Array:
    """Rows by gate, [4, *]."""
    return w.reshape(4, -1)


def _cell(name: str) -> Cell:
    gates = tuple(gate for gate in "ifgo" if gate != VARIANTS[name])
    form = Form(
        **{gate: gate in gates for gate in "ifo"},
        coupled=name == "coupled_gates",
        bends_g=name != "no_input_activation",
        bends_c=name != "no_output_activation",
    )
    at = ["ifgo".index(gate) for gate in gates]
    kernels = Kernels(partial(_forward, form=form, at=at), partial(_backward, form=form, at=at))
    return Cell(f"lstm_{name}", gates, ("h", "c"), partial(step, name, gates), kernels=kernels, base="lstm")


CELLS = tuple(map(_cell, VARIANTS))
