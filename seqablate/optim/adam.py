"""Adam (Kingma & Ba 2015, algorithm 1)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from seqablate.config.checks import at_least, fraction, positive
from seqablate.config.keys import key
from seqablate.config.registry import variant
from seqablate.errors import UsageError
from seqablate.optim.base import decayed

if TYPE_CHECKING:
    import torch


def _betas(key: str, betas: tuple[float, float]) -> None:
    if len(betas) != 2:
        raise UsageError(f"{key}={list(betas)}: must be two numbers, such as [0.9,0.999]")
    for beta in betas:
        fraction(key, beta)


@variant("optim", "adam")
@dataclass(kw_only=True, slots=True)
class AdamConfig:
    """Adam: running means of the gradient and of its square.

    Keys are the arguments of ``torch.optim.Adam``.
    """

    reference: ClassVar[str] = "Kingma & Ba 2015, algorithm 1"

    torch_name: ClassVar[str] = "Adam"
    more: ClassVar[dict[str, Any]] = {"fused": True}

    lr: float = key(positive, "learning rate")
    betas: tuple[float, float] = key(
        _betas, "decay of the running means of the gradient and of its square", headline=False
    )
    eps: float = key(positive, "added to the denominator", headline=False)
    weight_decay: float = key(at_least(0), "L2 penalty on weights, not on biases")

    def build(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """The optimizer over ``parameters``."""
        import torch

        make: type[torch.optim.Adam] = getattr(torch.optim, self.torch_name)
        groups = decayed(parameters, self.weight_decay)
        return make(groups, lr=self.lr, betas=(self.betas[0], self.betas[1]), eps=self.eps, **self.more)
