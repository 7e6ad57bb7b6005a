"""Plain stochastic gradient descent (Robbins & Monro 1951)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from omegaconf import MISSING

from seqablate.config.registry import variant
from seqablate.config.schema import at_least, positive

if TYPE_CHECKING:
    import torch


@variant("optim", "sgd")
@dataclass(kw_only=True, slots=True)
class SgdConfig:
    """The arguments of ``torch.optim.SGD`` of the same names."""

    lr: float = MISSING
    weight_decay: float = MISSING

    def __post_init__(self) -> None:
        positive("optim.lr", self.lr)
        at_least("optim.weight_decay", self.weight_decay, 0)

    def build(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """The optimizer over ``parameters``."""
        import torch

        return torch.optim.SGD(parameters, lr=self.lr, weight_decay=self.weight_decay)
