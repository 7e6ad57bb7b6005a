"""Gated recurrent unit (Cho et al. 2014), in torch's form: the reset gate acts after the recurrent product."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seqablate.config.registry import variant
from seqablate.models.recurrent_config import RecurrentConfig

if TYPE_CHECKING:
    from seqablate.models.recurrent import RecurrentStack


@variant("model", "gru")
@dataclass(kw_only=True, slots=True)
class GRUConfig(RecurrentConfig):
    """No keys of its own."""

    @property
    def fused(self) -> bool:
        return True

    def build(self, *, seed: int, **task: Any) -> RecurrentStack:
        """The model for one run; ``task`` is what :meth:`RecurrentConfig.shape` takes."""
        from seqablate.models.recurrent import RecurrentStack

        return RecurrentStack(self.shape(**task), cell="gru", label="gru", seed=seed)
