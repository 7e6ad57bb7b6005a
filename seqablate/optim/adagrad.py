"""Adagrad (Duchi, Hazan & Singer 2011)."""

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


@variant("optim", "adagrad")
@dataclass(kw_only=True, slots=True)
class AdagradConfig:
    """Adagrad: steps divided by the root of the sum of all squared gradients.

    Keys are the arguments of ``torch.optim.Adagrad``.
    """

    reference: ClassVar[str] = "Duchi, Hazan & Singer 2011"

    lr: float = key(positive, "learning rate")
    eps: float = key(positive, "added to the denominator", headline=False)
    weight_decay: float = key(at_least(0), "L2 penalty on weights, not on biases")

    def build(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """The optimizer over ``parameters``."""
        import torch

        groups = decayed(parameters, self.weight_decay)
        fused = all(p.device.type == "cpu" for group in groups for p in group["params"])  # torch has none for CUDA
        return torch.optim.Adagrad(groups, lr=self.lr, eps=self.eps, fused=fused)
