"""Gated recurrent unit (Cho et al. 2014), in torch's form: the reset gate acts after the recurrent product."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from seqablate.config.checks import finite
from seqablate.config.keys import key
from seqablate.config.registry import variant
from seqablate.models.recurrent.config import RecurrentConfig


@variant("model", "gru")
@dataclass(kw_only=True, slots=True)
class GRUConfig(RecurrentConfig):
    """Gated recurrent unit, in torch's variant: h' = (1 - z) n + z h.

    With ``init=chrono`` the bias is chrono's, whatever ``update_bias`` says.
    """

    reference: ClassVar[str] = "Cho et al. 2014"

    update_bias: float = key(
        finite, "initial bias of the update gate; positive: keep more of h; replaced by init=chrono"
    )

    @property
    def kernels(self) -> frozenset[str]:
        return frozenset({"compiled", "torch"})

    @property
    def gated(self) -> bool:
        return True

    @property
    def cell(self) -> str:
        return "gru"

    @property
    def gate_bias(self) -> dict[str, float]:
        return {"z": self.update_bias}
