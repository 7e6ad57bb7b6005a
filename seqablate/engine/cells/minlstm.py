"""minLSTM (Feng et al. 2024): an LSTM whose gates see the input alone and sum to 1.

Shapes: B batch, I input, D hidden.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import softplus

from seqablate.engine.cell import Cell, Linear, Weights
from seqablate.engine.kernels.scan import SCAN


def terms(x: Tensor, w_fi: Weights, w_n: Weights) -> tuple[Tensor, Tensor]:
    """a and b of ``h' = f / (f + i) h + i / (f + i) (W_n x + b_n)`` with ``f, i = sigmoid(W x + b)``.

    Feng et al. 2024, section 3.2: there is no c, no output gate and no tanh. The share of f is a sigmoid of
    ``log f - log i``: divided as it stands, two closed gates would be 0 / 0.
    """
    f, i = w_fi.from_input(x).chunk(2, dim=-1)
    keep = (softplus(-i) - softplus(-f)).sigmoid()
    return keep, (1 - keep) * w_n.from_input(x)


CELLS = (
    Cell(
        "minlstm",
        ("f", "i", "n"),
        ("h",),
        Linear(terms),
        blocks=(2, 1),
        kernels=SCAN,
        recurrent="none",
        memory={"f": 1, "i": -1},
    ),
)
