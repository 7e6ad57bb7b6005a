"""minGRU (Feng et al. 2024): a GRU whose gate and candidate see the input alone. A formula, and no kernels.

Shapes: B batch, I input, D hidden.
"""

from __future__ import annotations

from torch import Tensor

from seqablate.engine.cell import Cell, States, Weights


def step(x_BI: Tensor, states: States, w_z: Weights, w_n: Weights) -> States:
    """``z = sigmoid(W_z x + b_z)`` and ``h' = (1 - z) h + z (W_n x + b_n)``.

    Feng et al. 2024, section 3.1, the plain form: the one for logarithms keeps h positive by a nonlinearity in the
    candidate. z stands where a GRU in torch's form has 1 - z.
    """
    (h_BD,) = states
    z_BD = w_z.from_input(x_BI).sigmoid()
    return ((1 - z_BD) * h_BD + z_BD * w_n.from_input(x_BI),)


CELLS = (Cell("mingru", ("z", "n"), ("h",), step, blocks=(1, 1), recurrent="none", memory={"z": -1}),)
