"""Adadelta (Zeiler 2012, algorithm 1)."""

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


@variant("optim", "adadelta")
@dataclass(kw_only=True, slots=True)
class AdadeltaConfig:
    """Adadelta: steps of the size of earlier ones, divided by the root of a running mean of the squared gradient.

    Keys are the arguments of ``torch.optim.Adadelta``.
    """

    reference: ClassVar[str] = "Zeiler 2012, algorithm 1"

    lr: float = key(positive, "factor on the step; the paper has 1")
    rho: float = key(fraction, "decay of the running means of the squared gradient and of the squared step")
    eps: float = key(positive, "added to both running means; the first steps are of its root's size", headline=False)
    weight_decay: float = key(at_least(0), "L2 penalty on weights, not on biases")

    def build(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """The optimizer over ``parameters``."""
        import torch

        return torch.optim.Adadelta(decayed(parameters, self.weight_decay), lr=self.lr, rho=self.rho, eps=self.eps)
