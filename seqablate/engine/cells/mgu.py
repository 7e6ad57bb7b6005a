"""Minimal gated unit (Zhou et al. 2016): one gate that both forgets and lets in. A formula, and no kernels.

Shapes: B batch, I input, D hidden.
"""

from __future__ import annotations

from torch import Tensor

from seqablate.engine.cell import Cell, States, Weights


def step(x_BI: Tensor, states: States, w_f: Weights, w_n: Weights) -> States:
    """``f = sigmoid(W_f x + U_f h + b_f)``, ``n = tanh(W_n x + U_n (f h) + b_n)`` and ``h' = (1 - f) h + f n``.

    Minimal gated unit (Zhou et al. 2016, eq. 8-10).
    """
    (h_BD,) = states
    f_BD = (w_f.from_input(x_BI) + w_f.from_hidden(h_BD)).sigmoid()
    n_BD = (w_n.from_input(x_BI) + w_n.from_hidden(f_BD * h_BD)).tanh()
    return ((1 - f_BD) * h_BD + f_BD * n_BD,)


CELLS = (Cell("mgu", ("f", "n"), ("h",), step, blocks=(1, 1), memory={"f": -1}),)  # h' = (1 - f) h + f n
