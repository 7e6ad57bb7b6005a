"""Minimal gated unit (Zhou, Wu, Zhang & Zhou 2016): one gate that both forgets and lets in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from seqablate.config.registry import variant
from seqablate.models.recurrent.config import RecurrentConfig


@variant("model", "mgu")
@dataclass(kw_only=True, slots=True)
class MGUConfig(RecurrentConfig):
    """Minimal gated unit: one gate that both forgets and lets in."""

    reference: ClassVar[str] = "Zhou et al. 2016"

    @property
    def kernels(self) -> frozenset[str]:
        return frozenset({"compiled"})

    @property
    def gated(self) -> bool:
        return True

    @property
    def cell(self) -> str:
        return "mgu"
