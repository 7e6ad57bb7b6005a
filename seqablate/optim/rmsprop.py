"""RMSprop (Tieleman & Hinton 2012, lecture 6.5)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from omegaconf import MISSING

from seqablate.config.registry import variant
from seqablate.config.schema import at_least, fraction, positive

if TYPE_CHECKING:
    import torch


@variant("optim", "rmsprop")
@dataclass(kw_only=True, slots=True)
class RMSpropConfig:
    """The arguments of ``torch.optim.RMSprop`` of the same names."""

    lr: float = MISSING
    alpha: float = MISSING
    eps: float = MISSING
    momentum: float = MISSING
    weight_decay: float = MISSING

    def __post_init__(self) -> None:
        positive("optim.lr", self.lr)
        fraction("optim.alpha", self.alpha)
        positive("optim.eps", self.eps)
        fraction("optim.momentum", self.momentum)
        at_least("optim.weight_decay", self.weight_decay, 0)

    def build(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """The optimizer over ``parameters``."""
        import torch

        return torch.optim.RMSprop(
            parameters,
            lr=self.lr,
            alpha=self.alpha,
            eps=self.eps,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
        )
