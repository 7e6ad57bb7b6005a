"""The updates of torch's optimizers on one array, by the class of the optimizer.

The numbers are those of torch.optim in another order of operations: equal within rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from seqablate.training.compiled import kernels
from seqablate.training.compiled.flat import Flat

Update = Callable[[dict[str, Any]], None]  # takes a group of the optimizer, whose learning rate is the step's


OFF = ("amsgrad", "maximize", "centered", "dampening", "lr_decay")  # what an update here does not have


def known(optimizer: torch.optim.Optimizer) -> bool:
    """Whether there is an update of this optimizer: of its class and options, alike for all parameters.

    Weight decay may be that of the first group alone (:func:`seqablate.optim.base.decayed`).
    """
    first, *others = optimizer.param_groups
    alike = [{k: v for k, v in group.items() if k not in ("params", "weight_decay")} for group in (first, *others)]
    return (
        type(optimizer) in UPDATES
        and not any(first.get(option) for option in OFF)
        and all(group == alike[0] for group in alike)
        and not any(group["weight_decay"] for group in others)
    )


def make_update(flat: Flat) -> Update:
    """What makes a step of the optimizer: it reads ``flat.grads`` and changes ``flat.values`` and the state."""
    update = UPDATES[type(flat.optimizer)](flat)
    decayed, apart = flat.decayed, isinstance(flat.optimizer, torch.optim.AdamW)
    decay = max(group["weight_decay"] for group in flat.optimizer.param_groups)
    number = flat.values.dtype.type

    def decay_and_update(group: dict[str, Any]) -> None:
        if decayed and apart:
            kernels.decay_apart(flat.values, decayed, number(1 - group["lr"] * decay))
        elif decayed:
            kernels.decay_into(flat.grads, flat.values, decayed, number(decay))
        update(group)

    return decay_and_update


def _adam(flat: Flat) -> Update:
    counts, number = flat.counts(), flat.values.dtype.type
    mean, square = flat.state("exp_avg"), flat.state("exp_avg_sq")

    def update(group: dict[str, Any]) -> None:
        counts[:] += 1
        (beta_1, beta_2), made = group["betas"], int(counts[0])
        numbers = group["lr"] / (1 - beta_1**made), beta_1, beta_2, 1.0, math.sqrt(1 - beta_2**made), group["eps"]
        kernels.adam(flat.values, flat.grads, mean, square, *map(number, numbers))

    return update


def _sgd(flat: Flat) -> Update:
    number, momentum = flat.values.dtype.type, flat.optimizer.param_groups[0]["momentum"]
    velocity = flat.state("momentum_buffer") if momentum else np.zeros_like(flat.values[:0])

    def update(group: dict[str, Any]) -> None:
        kernels.sgd(flat.values, flat.grads, velocity, number(group["lr"]), number(momentum), group["nesterov"])

    return update


def _rmsprop(flat: Flat) -> Update:
    counts, number, momentum = flat.counts(), flat.values.dtype.type, flat.optimizer.param_groups[0]["momentum"]
    square = flat.state("square_avg")
    velocity = flat.state("momentum_buffer") if momentum else np.zeros_like(flat.values[:0])

    def update(group: dict[str, Any]) -> None:
        counts[:] += 1
        numbers = group["lr"], group["alpha"], 1.0, group["eps"], momentum
        kernels.rmsprop(flat.values, flat.grads, square, velocity, *map(number, numbers))

    return update


def _adagrad(flat: Flat) -> Update:
    counts, number, total = flat.counts(), flat.values.dtype.type, flat.state("sum")

    def update(group: dict[str, Any]) -> None:
        counts[:] += 1
        kernels.adagrad(flat.values, flat.grads, total, number(group["lr"]), number(group["eps"]))

    return update


UPDATES: dict[type[torch.optim.Optimizer], Callable[[Flat], Update]] = {
    torch.optim.Adam: _adam,
    torch.optim.AdamW: _adam,
    torch.optim.SGD: _sgd,
    torch.optim.RMSprop: _rmsprop,
    torch.optim.Adagrad: _adagrad,
}
