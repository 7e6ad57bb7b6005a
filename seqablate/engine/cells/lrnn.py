"""Diagonal linear recurrence whose eigenvalues depend on the input (Grazzi et al. 2024).

A recurrence ``h' = A(x) h + b(x)`` with A diagonal is what GILR (Martin & Cundy 2018) and Mamba (Gu & Dao 2023) have at
their core. With eigenvalues in (0, 1) no such recurrence of finite precision computes the parity of its input, with
negative ones it does: ``a(x) = 1 - 2 x`` and ``b(x) = x`` (Sarrof et al. 2024; Grazzi et al. 2024, theorem 1).

Shapes: B batch, I input, D hidden.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from seqablate.engine.cell import Cell, Linear, Weights
from seqablate.engine.kernels.scan import SCAN


def terms(signed: bool, x: Tensor, w_a: Weights, w_b: Weights) -> tuple[Tensor, Tensor]:
    """a and b of ``h' = a h + W_b x + b_b``, a = ``s`` or, signed, ``2 s - 1``, with ``s = sigmoid(W_a x + b_a)``."""
    s = w_a.from_input(x)
    a = torch.tanh(s / 2) if signed else s.sigmoid()  # tanh(z / 2) = 2 sigmoid(z) - 1
    return a, w_b.from_input(x)


def _cell(name: str, signed: bool, memory: dict[str, int]) -> Cell:
    return Cell(
        f"lrnn_{name}",
        ("a", "b"),
        ("h",),
        Linear(partial(terms, signed)),
        blocks=(1, 1),
        kernels=SCAN,
        recurrent="none",
        memory=memory,
    )


CELLS = (_cell("positive", False, {"a": 1}), _cell("signed", True, {}))
