"""RMSprop (Tieleman & Hinton 2012, lecture 6.5)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from seqablate.config.checks import at_least, fraction, positive
from seqablate.config.keys import key
from seqablate.config.registry import variant
from seqablate.optim.base import decayed

if TYPE_CHECKING:
    import torch


@variant("optim", "rmsprop")
@dataclass(kw_only=True, slots=True)
class RMSpropConfig:
    """RMSprop: steps divided by the root of a running mean of the squared gradient.

    Keys are the arguments of ``torch.optim.RMSprop``.
    """

    reference: ClassVar[str] = "Tieleman & Hinton 2012, lecture 6.5"

    lr: float = key(positive, "learning rate")
    alpha: float = key(fraction, "decay of the running mean of the squared gradient")
    eps: float = key(positive, "added to the denominator", headline=False)
    momentum: float = key(fraction, "share of the last update that is kept")
    weight_decay: float = key(at_least(0), "L2 penalty on weights, not on biases")

    def build(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """The optimizer over ``parameters``."""
        import torch

        return torch.optim.RMSprop(
            decayed(parameters, self.weight_decay),
            lr=self.lr,
            alpha=self.alpha,
            eps=self.eps,
            momentum=self.momentum,
        )
