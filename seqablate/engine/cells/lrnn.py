"""Diagonal linear recurrence whose eigenvalues depend on the input (Grazzi et al. 2024). A formula, and no kernels.

A recurrence ``h' = A(x) h + b(x)`` with A diagonal is what GILR (Martin & Cundy 2018) and Mamba (Gu & Dao 2023) have at
their core. With eigenvalues in (0, 1) no such recurrence of finite precision computes the parity of its input, with
negative ones it does: ``a(x) = 1 - 2 x`` and ``b(x) = x`` (Sarrof et al. 2024; Grazzi et al. 2024, theorem 1).

Shapes: B batch, I input, D hidden.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from seqablate.engine.cell import Cell, States, Weights


def step(signed: bool, x_BI: Tensor, states: States, w_a: Weights, w_b: Weights) -> States:
    """``h' = a h + W_b x + b_b``, a = ``s`` or, signed, ``2 s - 1``, with ``s = sigmoid(W_a x + b_a)``."""
    (h_BD,) = states
    s_BD = w_a.from_input(x_BI)
    a_BD = torch.tanh(s_BD / 2) if signed else s_BD.sigmoid()  # tanh(z / 2) = 2 sigmoid(z) - 1
    return (a_BD * h_BD + w_b.from_input(x_BI),)


CELLS = (
    Cell("lrnn_positive", ("a", "b"), ("h",), partial(step, False), blocks=(1, 1), recurrent="none", memory={"a": 1}),
    Cell("lrnn_signed", ("a", "b"), ("h",), partial(step, True), blocks=(1, 1), recurrent="none"),
)
