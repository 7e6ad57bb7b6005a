"""Adam (Kingma & Ba 2015, algorithm 1)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from omegaconf import MISSING

from seqablate.config.registry import variant
from seqablate.config.schema import at_least, check_betas, positive

if TYPE_CHECKING:
    import torch


@variant("optim", "adam")
@dataclass(kw_only=True, slots=True)
class AdamConfig:
    """The arguments of ``torch.optim.Adam`` of the same names."""

    torch_name: ClassVar[str] = "Adam"

    lr: float = MISSING
    betas: tuple[float, float] = MISSING
    eps: float = MISSING
    weight_decay: float = MISSING

    def __post_init__(self) -> None:
        positive("optim.lr", self.lr)
        check_betas(self.betas)
        positive("optim.eps", self.eps)
        at_least("optim.weight_decay", self.weight_decay, 0)

    def build(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """The optimizer over ``parameters``."""
        import torch

        make: type[torch.optim.Adam] = getattr(torch.optim, self.torch_name)
        return make(
            parameters,
            lr=self.lr,
            betas=(self.betas[0], self.betas[1]),
            eps=self.eps,
            weight_decay=self.weight_decay,
            fused=True,
        )
