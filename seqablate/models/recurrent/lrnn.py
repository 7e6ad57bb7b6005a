"""Diagonal linear recurrence with eigenvalues that depend on the input (LRNN in Grazzi et al. 2024)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from seqablate.config.checks import finite
from seqablate.config.keys import key
from seqablate.config.registry import variant
from seqablate.models.choices import Eigenvalues
from seqablate.models.recurrent.config import RecurrentConfig


@variant("model", "lrnn")
@dataclass(kw_only=True, slots=True)
class LRNNConfig(RecurrentConfig):
    """Diagonal linear recurrence: h' = a(x) h + W x + b, eigenvalues a of the input alone.

    ``a = s``, or ``2 s - 1`` where they are signed, with ``s = sigmoid(W_a x + b_a)``. With positive ones no such
    recurrence of finite precision computes a parity (Grazzi et al. 2024, theorem 1). A signed one is no gate that
    ``init=chrono`` could set.
    """

    reference: ClassVar[str] = "Grazzi et al. 2024; Sarrof et al. 2024"

    eigenvalues: Eigenvalues = key("range of a: positive: (0, 1), signed: (-1, 1) (Grazzi et al. 2024)")
    eigenvalue_bias: float = key(finite, "initial bias b_a; positive: eigenvalues near 1; replaced by init=chrono")

    @property
    def gated(self) -> bool:
        return self.eigenvalues is Eigenvalues.positive

    @property
    def kernels(self) -> frozenset[str]:
        return frozenset({"compiled"})

    @property
    def recurrent_matrix(self) -> bool:
        return False

    @property
    def cell(self) -> str:
        return f"lrnn_{self.eigenvalues.value}"

    @property
    def gate_bias(self) -> dict[str, float]:
        return {"a": self.eigenvalue_bias}
