"""Long short-term memory (Hochreiter & Schmidhuber 1997) with a forget gate (Gers, Schmidhuber & Cummins 2000).

    i, f, o = sigmoid(...)      g = tanh(...)      c' = f c + i g      h' = o tanh(c')

Whole, or without one of its parts (Greff et al. 2015, "LSTM: A search space odyssey").
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from seqablate.config.checks import finite
from seqablate.config.keys import key
from seqablate.config.registry import variant
from seqablate.models.recurrent.config import RecurrentConfig


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
    """Long short-term memory with a forget gate, or without one of its parts.

    With ``coupled_gates`` the ``forget_bias`` is taken from the input gates', so that f starts where it would in the
    full LSTM. With ``no_forget_gate`` f is 1 and with ``init=chrono`` the bias is chrono's, whatever ``forget_bias``
    says.
    """

    reference: ClassVar[str] = "Hochreiter & Schmidhuber 1997; Gers et al. 2000; without a part: Greff et al. 2015"
    states: ClassVar[str] = "h, c"

    variant: LSTMVariant = key("the LSTM without one of its parts (Greff et al. 2015)")
    forget_bias: float = key(
        finite, "initial bias of the forget gate (Jozefowicz et al. 2015); replaced by init=chrono"
    )

    @property
    def kernels(self) -> frozenset[str]:
        """Torch has the whole LSTM alone."""
        return frozenset({"compiled", "torch"} if self.variant is LSTMVariant.full else {"compiled"})

    @property
    def gated(self) -> bool:
        return True

    @property
    def cell(self) -> str:
        return "lstm" if self.variant is LSTMVariant.full else f"lstm_{self.variant.value}"

    @property
    def gate_bias(self) -> dict[str, float]:
        if self.variant is LSTMVariant.coupled_gates:
            return {"i": -self.forget_bias}
        return {} if self.variant is LSTMVariant.no_forget_gate else {"f": self.forget_bias}
