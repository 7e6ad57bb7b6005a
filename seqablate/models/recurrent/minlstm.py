"""minLSTM (Feng, Tung, Ahmed, Bengio & Hajimirsadeghi 2024, "Were RNNs all we needed?")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from seqablate.config.checks import finite
from seqablate.config.keys import key
from seqablate.config.registry import variant
from seqablate.models.recurrent.config import RecurrentConfig


@variant("model", "minlstm")
@dataclass(kw_only=True, slots=True)
class MinLSTMConfig(RecurrentConfig):
    """minLSTM: h' = f h + i n with f + i = 1, all of the input alone.

    With ``init=chrono`` the bias is chrono's, whatever ``forget_bias`` says.
    """

    reference: ClassVar[str] = "Feng et al. 2024"

    forget_bias: float = key(
        finite, "initial bias of the forget gate; positive: keep more of h; replaced by init=chrono"
    )

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
        return "minlstm"

    @property
    def gate_bias(self) -> dict[str, float]:
        return {"f": self.forget_bias}
