"""Stochastic gradient descent with (Nesterov) momentum (Sutskever et al. 2013)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from omegaconf import MISSING

from seqablate.config.registry import variant
from seqablate.config.schema import at_least, fraction, positive
from seqablate.errors import UsageError

if TYPE_CHECKING:
    import torch


@variant("optim", "momentum")
@dataclass(kw_only=True, slots=True)
class MomentumConfig:
    """The arguments of ``torch.optim.SGD`` of the same names."""

    lr: float = MISSING
    momentum: float = MISSING
    nesterov: bool = MISSING
    weight_decay: float = MISSING

    def __post_init__(self) -> None:
        positive("optim.lr", self.lr)
        fraction("optim.momentum", self.momentum)
        at_least("optim.weight_decay", self.weight_decay, 0)
        if self.nesterov and self.momentum == 0:
            raise UsageError("optim.nesterov=true needs optim.momentum above 0")

    def build(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """The optimizer over ``parameters``."""
        import torch

        return torch.optim.SGD(
            parameters,
            lr=self.lr,
            momentum=self.momentum,
            nesterov=self.nesterov,
            weight_decay=self.weight_decay,
            fused=True,
        )
