"""Stochastic gradient descent with (Nesterov) momentum (Sutskever et al. 2013)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from seqablate.config.checks import at_least, fraction, positive
from seqablate.config.keys import key
from seqablate.config.registry import variant
from seqablate.errors import UsageError
from seqablate.optim.base import decayed

if TYPE_CHECKING:
    import torch


@variant("optim", "momentum")
@dataclass(kw_only=True, slots=True)
class MomentumConfig:
    """Stochastic gradient descent with (Nesterov) momentum.

    Keys are the arguments of ``torch.optim.SGD``.
    """

    reference: ClassVar[str] = "Sutskever et al. 2013"

    lr: float = key(positive, "learning rate")
    momentum: float = key(fraction, "share of the last update that is kept")
    nesterov: bool = key("true: Nesterov momentum")
    weight_decay: float = key(at_least(0), "L2 penalty on weights, not on biases")

    def check_keys(self) -> None:
        if self.nesterov and self.momentum == 0:
            raise UsageError("optim.nesterov=true needs optim.momentum above 0")

    def build(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """The optimizer over ``parameters``."""
        import torch

        return torch.optim.SGD(
            decayed(parameters, self.weight_decay),
            lr=self.lr,
            momentum=self.momentum,
            nesterov=self.nesterov,
            fused=True,
        )
