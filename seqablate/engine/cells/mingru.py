"""minGRU (Feng et al. 2024): a GRU whose gate and candidate see the input alone.

Shapes: B batch, I input, D hidden.
"""

from __future__ import annotations

from torch import Tensor

from seqablate.engine.cell import Cell, Linear, Weights
from seqablate.engine.kernels.scan import SCAN


def terms(x: Tensor, w_z: Weights, w_n: Weights) -> tuple[Tensor, Tensor]:
    """a and b of ``h' = (1 - z) h + z (W_n x + b_n)``, with ``z = sigmoid(W_z x + b_z)``.

    Feng et al. 2024, section 3.1, the plain form: the one for logarithms keeps h positive by a nonlinearity in the
    candidate. z stands where a GRU in torch's form has 1 - z.
    """
    z = w_z.from_input(x).sigmoid()
    return 1 - z, z * w_n.from_input(x)


CELLS = (
    Cell(
        "mingru",
        ("z", "n"),
        ("h",),
        Linear(terms),
        blocks=(1, 1),
        kernels=SCAN,
        recurrent="none",
        memory={"z": -1},
    ),
)
