"""Long short-term memory (Hochreiter & Schmidhuber 1997) with a forget gate (Gers, Schmidhuber & Cummins 2000).

    i, f, o = sigmoid(...)      g = tanh(...)      c' = f c + i g      h' = o tanh(c')

Whole, or without one of its parts (Greff et al. 2015, "LSTM: A search space odyssey").
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from omegaconf import MISSING

from seqablate.config.registry import variant
from seqablate.errors import UsageError
from seqablate.models.recurrent_config import RecurrentConfig

if TYPE_CHECKING:
    from seqablate.models.recurrent import RecurrentStack


class LSTMVariant(Enum):
    """What is left of the LSTM, with Greff et al.'s short names. A gate that is not there has no parameters."""

    full = "full"
    no_input_gate = "no_input_gate"  # NIG: i = 1
    no_forget_gate = "no_forget_gate"  # NFG: f = 1
    no_output_gate = "no_output_gate"  # NOG: o = 1
    no_input_activation = "no_input_activation"  # NIAF: g without its tanh
    no_output_activation = "no_output_activation"  # NOAF: h' = o c'
    coupled_gates = "coupled_gates"  # CIFG: f = 1 - i


@variant("model", "lstm")
@dataclass(kw_only=True, slots=True)
class LSTMConfig(RecurrentConfig):
    """``forget_bias``: the forget gates' bias at the start (Jozefowicz et al. 2015 recommend 1).

    With ``coupled_gates`` the input gates' bias starts at minus that, so that f starts where it would in the full LSTM.
    With ``no_forget_gate`` f is 1 whatever ``forget_bias`` says: there is nothing to set.
    """

    variant: LSTMVariant = MISSING
    forget_bias: float = MISSING

    def __post_init__(self) -> None:
        RecurrentConfig.__post_init__(self)
        if not math.isfinite(self.forget_bias):
            raise UsageError(f"model.forget_bias={self.forget_bias}: must be a finite number")

    @property
    def fused(self) -> bool:
        """Only the whole LSTM has kernels."""
        return self.variant is LSTMVariant.full

    def build(self, *, seed: int, **task: Any) -> RecurrentStack:
        """The model for one run; ``task`` is what :meth:`RecurrentConfig.shape` takes."""
        from seqablate.models.recurrent import RecurrentStack

        return RecurrentStack(
            self.shape(**task),
            cell="lstm" if self.variant is LSTMVariant.full else f"lstm_{self.variant.value}",
            label="lstm",
            seed=seed,
            forget_bias=None if self.variant is LSTMVariant.no_forget_gate else self.forget_bias,
        )
