"""minGRU (Feng, Tung, Ahmed, Bengio & Hajimirsadeghi 2024, "Were RNNs all we needed?")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from seqablate.config.registry import variant
from seqablate.models.recurrent.config import RecurrentConfig


@variant("model", "mingru")
@dataclass(kw_only=True, slots=True)
class MinGRUConfig(RecurrentConfig):
    """minGRU: h' = (1 - z) h + z n, z and n of the input alone.

    Between its input and its state nothing but z is nonlinear. The paper stacks several layers.
    """

    reference: ClassVar[str] = "Feng et al. 2024"

    @property
    def gated(self) -> bool:
        return True

    @property
    def kernels(self) -> frozenset[str]:
        return frozenset({"compiled"})

    @property
    def recurrent_matrix(self) -> bool:
        return False

    @property
    def cell(self) -> str:
        return "mingru"
