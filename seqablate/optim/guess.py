"""The optimizer of ``optim=random_guess``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch


class RandomGuess(torch.optim.Optimizer):
    """Draws every parameter from U(-bound, bound); it has no state and no learning rate.

    Args:
        parameters: what is drawn.
        bound: of the values.
    """

    def __init__(self, parameters: Iterable[torch.nn.Parameter], bound: float) -> None:
        super().__init__(parameters, {"lr": 0.0, "bound": bound})

    def step(self, closure: Any = None) -> Any:
        """Nothing follows from a gradient."""

    @torch.no_grad()
    def guess(self, seed: int) -> None:
        """Draw all parameters: a function of the seed."""
        for group in self.param_groups:
            generator = torch.Generator(group["params"][0].device).manual_seed(seed)
            for p in group["params"]:
                p.uniform_(-group["bound"], group["bound"], generator=generator)
