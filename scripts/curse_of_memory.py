#!/usr/bin/env python3
"""The curse of memory (Zucchet & Orvieto 2024): the loss of one linear unit sharpens though no gradient explodes.

The unit is h_t = lambda h_(t-1) + x_t, with x white noise of variance 1. What flows back over k timesteps is lambda^k,
which is never more than 1. But the longer the unit remembers, the more its state depends on lambda:

    E (dh_T / dlambda)^2 = sum over k < T of k^2 lambda^(2 k - 2)  ->  (1 + lambda^2) / (1 - lambda^2)^3

That is the second derivative, by lambda, of half the squared error at its minimum; gradient descent is stable up to a
learning rate of 2 divided by it. In a linear recurrent unit (Orvieto et al. 2023) the input is scaled by
sqrt(1 - lambda^2), and nu is learned, where lambda = exp(-exp(nu)): the same second derivative, by nu, stays small.

All of it is measured in the cells of seqablate and without sampling: dh_T / dlambda is linear in x, so its mean square
is the sum of the squares of its derivatives by x_1 ... x_T.

    python scripts/curse_of_memory.py
"""

from __future__ import annotations

import argparse
import math

import torch

from seqablate.engine.cells.lru import nu_of
from seqablate.engine.recurrence import Recurrence

LAMBDAS = (0.5, 0.9, 0.99, 0.999)
MEMORIES = 12  # timesteps of a sequence, in units of 1 / (1 - lambda)
HEADS = (
    "lambda",
    "timesteps",
    "largest dh_T/dh_t",
    "E(dh/dlambda)^2",
    "closed form",
    "apart by",
    "E(dh/dnu)^2 of an LRU",
)


def unit(cell: str, weight: float) -> Recurrence:
    """One unit that adds its input to what is left of its state."""
    module = Recurrence(cell, 1, 1).double()
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.fill_({"weight_ih": 1.0, "weight_hh": weight}.get(name, 0.0))
    module.backend = "loop"  # which can be differentiated twice
    return module


def sharpness(module: Recurrence, steps: int) -> float:
    """The mean square of the derivative of h_T by the recurrent weight, for white noise of ``steps`` timesteps."""
    x_TBI = torch.zeros(steps, 1, 1, dtype=torch.float64, requires_grad=True)
    (d_weight,) = torch.autograd.grad(module(x_TBI)[0][-1].sum(), module.weight_hh, create_graph=True)
    (by_input_TBI,) = torch.autograd.grad(d_weight.sum(), x_TBI)
    return by_input_TBI.square().sum().item()


def largest_factor(module: Recurrence, steps: int) -> float:
    """The largest |dh_T / dh_t|: a timestep's input has the gradient of its state, times one number for all."""
    x_TBI = torch.zeros(steps, 1, 1, dtype=torch.float64, requires_grad=True)
    (d_x_TBI,) = torch.autograd.grad(module(x_TBI)[0][-1].sum(), x_TBI)
    return (d_x_TBI.abs().max() / d_x_TBI[-1].abs()).item()


def closed_form(value: float, steps: int | None = None) -> float:
    """Of the plain linear unit; without ``steps`` for a sequence without end."""
    if steps is None:
        return (1 + value**2) / (1 - value**2) ** 3
    return math.fsum(k * k * value ** (2 * k - 2) for k in range(1, steps))


def row(value: float) -> tuple[str, ...]:
    """The figures at one lambda."""
    steps = round(MEMORIES / (1 - value))
    plain = unit("rnn_identity", value)
    lru = unit("lru_positive", nu_of(False, torch.tensor(value, dtype=torch.float64)).item())
    found, wanted = sharpness(plain, steps), closed_form(value)
    measured = f"{largest_factor(plain, steps):.3f}", f"{found:.5g}", f"{wanted:.5g}", f"{abs(found / wanted - 1):.0e}"
    return f"{value}", f"{steps}", *measured, f"{sharpness(lru, steps):.3f}"


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    for cells in (HEADS, *map(row, LAMBDAS)):
        print("  ".join(cell.ljust(len(head)) for cell, head in zip(cells, HEADS, strict=True)).rstrip())


if __name__ == "__main__":
    main()
