"""Vanilla recurrent network (Elman 1990): h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from omegaconf import MISSING

from seqablate.config.registry import variant
from seqablate.models.recurrent_config import RecurrentConfig

if TYPE_CHECKING:
    from seqablate.models.recurrent import RecurrentStack


class Nonlinearity(Enum):
    """torch.nn.RNN's choices."""

    tanh = "tanh"
    relu = "relu"


@variant("model", "rnn")
@dataclass(kw_only=True, slots=True)
class RNNConfig(RecurrentConfig):
    """``nonlinearity`` is torch.nn.RNN's."""

    nonlinearity: Nonlinearity = MISSING

    @property
    def fused(self) -> bool:
        return True

    def build(self, *, seed: int, **task: Any) -> RecurrentStack:
        """The model for one run; ``task`` is what :meth:`RecurrentConfig.shape` takes."""
        from seqablate.models.recurrent import RecurrentStack

        return RecurrentStack(
            self.shape(**task),
            cell=f"rnn_{self.nonlinearity.value}",
            label="rnn",
            seed=seed,
        )
