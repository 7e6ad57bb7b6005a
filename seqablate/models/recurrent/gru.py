"""Gated recurrent unit (Cho et al. 2014), in torch's form: the reset gate acts after the recurrent product."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from omegaconf import MISSING

from seqablate.config.registry import variant
from seqablate.models.choices import finite
from seqablate.models.recurrent.config import RecurrentConfig


@variant("model", "gru")
@dataclass(kw_only=True, slots=True)
class GRUConfig(RecurrentConfig):
    """``update_bias``: added to the update gates' initial bias; positive: keep more of h (torch: h' = (1-z) n + z h).

    With ``init=chrono`` the bias is chrono's, whatever ``update_bias`` says.
    """

    reference: ClassVar[str] = "Cho et al. 2014"

    update_bias: float = MISSING

    def __post_init__(self) -> None:
        RecurrentConfig.__post_init__(self)
        finite("model.update_bias", self.update_bias)

    @property
    def kernels(self) -> bool:
        return True

    @property
    def gated(self) -> bool:
        return True

    @property
    def cell(self) -> str:
        return "gru"

    @property
    def gate_bias(self) -> dict[str, float]:
        return {"z": self.update_bias}
