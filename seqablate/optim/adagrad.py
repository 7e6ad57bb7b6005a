"""Adagrad (Duchi, Hazan & Singer 2011)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from omegaconf import MISSING

from seqablate.config.registry import variant
from seqablate.config.schema import at_least, positive

if TYPE_CHECKING:
    import torch


@variant("optim", "adagrad")
@dataclass(kw_only=True, slots=True)
class AdagradConfig:
    """The arguments of ``torch.optim.Adagrad`` of the same names."""

    lr: float = MISSING
    eps: float = MISSING
    weight_decay: float = MISSING

    def __post_init__(self) -> None:
        positive("optim.lr", self.lr)
        positive("optim.eps", self.eps)
        at_least("optim.weight_decay", self.weight_decay, 0)

    def build(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """The optimizer over ``parameters``."""
        import torch

        return torch.optim.Adagrad(parameters, lr=self.lr, eps=self.eps, weight_decay=self.weight_decay, fused=True)
