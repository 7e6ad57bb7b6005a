"""Diagonal linear recurrence with eigenvalues that learn (LRU, Orvieto et al. 2023).

The paper's eigenvalues are complex. A state here is real, and so are they: in (0, 1), or with negative ones in (-1, 1)
(Grazzi et al. 2024).

Shapes: B batch, I input, D hidden.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from seqablate.engine.cell import Cell, Linear, Weights
from seqablate.engine.kernels.scan import SCAN


def eigenvalues(signed: bool, nu_D: Tensor) -> tuple[Tensor, Tensor]:
    """``lambda`` of each unit and ``sqrt(1 - lambda^2)``, whose digits and slope a difference would lose near 1 and -1.

    ``lambda = s`` with ``s = exp(-exp(nu))`` (Orvieto et al. 2023, section 3.3); signed, ``2 s - 1``.
    """
    rate_D = nu_D.exp()
    s_D = (-rate_D).exp()
    if signed:
        return 2 * s_D - 1, 2 * (-rate_D / 2).exp() * (-torch.expm1(-rate_D)).sqrt()
    return s_D, (-torch.expm1(-2 * rate_D)).sqrt()


def nu_of(signed: bool, lambda_D: Tensor) -> Tensor:
    """``nu`` of these eigenvalues, or, where they have no sign, of their absolute values."""
    s_D = (1 + lambda_D) / 2 if signed else lambda_D.abs()
    return (-s_D.log()).log()


def terms(signed: bool, x: Tensor, w: Weights) -> tuple[Tensor, Tensor]:
    """a and b of ``h' = lambda h + sqrt(1 - lambda^2) (W x + b)``, lambda a number for each unit: a [D], b [..., D].

    Orvieto et al. 2023, eq. 7; their factor of the input starts at this root and then learns, here it follows lambda
    (as in De et al. 2024).
    """
    lambda_D, root_D = eigenvalues(signed, w.w_hh)
    return lambda_D, root_D * w.from_input(x)


CELLS = tuple(
    Cell(
        name,
        ("b",),
        ("h",),
        Linear(partial(terms, signed)),
        kernels=SCAN,
        recurrent="diagonal",
        of_eigenvalues=partial(nu_of, signed),
    )
    for name, signed in (("lru_positive", False), ("lru_signed", True))
)
