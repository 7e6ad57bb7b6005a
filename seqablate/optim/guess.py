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
        """Draw all parameters: a function of the seed, the same on every device, so drawn on the CPU."""
        for group in self.param_groups:
            generator = torch.Generator().manual_seed(seed)
            for p in group["params"]:
                drawn = torch.empty(p.shape, dtype=p.dtype)
                p.copy_(drawn.uniform_(-group["bound"], group["bound"], generator=generator))
