"""Vanilla recurrent network (Elman 1990): h_t = f(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from seqablate.config.keys import key
from seqablate.config.registry import variant
from seqablate.models.choices import Nonlinearity
from seqablate.models.recurrent.config import RecurrentConfig


@variant("model", "rnn")
@dataclass(kw_only=True, slots=True)
class RNNConfig(RecurrentConfig):
    """Vanilla (Elman) RNN."""

    reference: ClassVar[str] = "Elman 1990"

    nonlinearity: Nonlinearity = key(
        "f of the recurrence; with identity, a linear one, the gradient is W^k whatever the input"
    )

    @property
    def kernels(self) -> frozenset[str]:
        return frozenset({"compiled", "torch"})

    @property
    def cell(self) -> str:
        return f"rnn_{self.nonlinearity.value}"
