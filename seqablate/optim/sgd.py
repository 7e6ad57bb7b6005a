"""Plain stochastic gradient descent (Robbins & Monro 1951)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from seqablate.config.checks import at_least, positive
from seqablate.config.keys import key
from seqablate.config.registry import variant
from seqablate.optim.base import decayed

if TYPE_CHECKING:
    import torch


@variant("optim", "sgd")
@dataclass(kw_only=True, slots=True)
class SgdConfig:
    """Plain stochastic gradient descent.

    Keys are the arguments of ``torch.optim.SGD``.
    """

    reference: ClassVar[str] = "Robbins & Monro 1951"

    lr: float = key(positive, "learning rate")
    weight_decay: float = key(at_least(0), "L2 penalty on weights, not on biases")

    def build(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """The optimizer over ``parameters``."""
        import torch

        return torch.optim.SGD(decayed(parameters, self.weight_decay), lr=self.lr)
