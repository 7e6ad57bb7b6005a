"""Long short-term memory (Hochreiter & Schmidhuber 1997) with a forget gate (Gers, Schmidhuber & Cummins 2000)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from omegaconf import MISSING

from seqablate.config.registry import variant
from seqablate.errors import UsageError
from seqablate.models.recurrent_config import RecurrentConfig

if TYPE_CHECKING:
    from seqablate.models.recurrent import RecurrentStack


@variant("model", "lstm")
@dataclass(kw_only=True, slots=True)
class LSTMConfig(RecurrentConfig):
    """``forget_bias``: the forget gates' bias at the start (Jozefowicz et al. 2015 recommend 1)."""

    forget_bias: float = MISSING

    def __post_init__(self) -> None:
        RecurrentConfig.__post_init__(self)
        if not math.isfinite(self.forget_bias):
            raise UsageError(f"model.forget_bias={self.forget_bias}: must be a finite number")

    def build(self, *, seed: int, **task: Any) -> RecurrentStack:
        """The model for one run; ``task`` is what :meth:`RecurrentConfig.shape` takes."""
        from seqablate.models.recurrent import RecurrentStack

        return RecurrentStack(
            self.shape(**task),
            cell="lstm",
            label="lstm",
            seed=seed,
            forget_bias=self.forget_bias,
        )
