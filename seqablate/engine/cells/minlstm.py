"""minLSTM (Feng et al. 2024): an LSTM whose gates see the input alone and sum to 1. A formula, and no kernels.

Shapes: B batch, I input, D hidden.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import softplus

from seqablate.engine.cell import Cell, States, Weights


def step(x_BI: Tensor, states: States, w_fi: Weights, w_n: Weights) -> States:
    """``h' = f / (f + i) h + i / (f + i) (W_n x + b_n)`` with ``f, i = sigmoid(W x + b)``.

    Feng et al. 2024, section 3.2: there is no c, no output gate and no tanh. The share of f is a sigmoid of
    ``log f - log i``: divided as it stands, two closed gates would be 0 / 0.
    """
    (h_BD,) = states
    f_BD, i_BD = w_fi.from_input(x_BI).chunk(2, dim=1)
    keep_BD = (softplus(-i_BD) - softplus(-f_BD)).sigmoid()
    return (keep_BD * h_BD + (1 - keep_BD) * w_n.from_input(x_BI),)


CELLS = (Cell("minlstm", ("f", "i", "n"), ("h",), step, blocks=(2, 1), recurrent="none", memory={"f": 1, "i": -1}),)
