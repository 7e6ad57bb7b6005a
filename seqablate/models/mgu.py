"""Minimal gated unit (Zhou, Wu, Zhang & Zhou 2016): one gate that both forgets and lets in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seqablate.config.registry import variant
from seqablate.models.recurrent_config import RecurrentConfig

if TYPE_CHECKING:
    from seqablate.models.recurrent import RecurrentStack


@variant("model", "mgu")
@dataclass(kw_only=True, slots=True)
class MGUConfig(RecurrentConfig):
    """No keys of its own."""

    def build(self, *, seed: int, **task: Any) -> RecurrentStack:
        """The model for one run; ``task`` is what :meth:`RecurrentConfig.shape` takes."""
        from seqablate.models.recurrent import RecurrentStack

        return RecurrentStack(self.shape(**task), cell="mgu", label="mgu", seed=seed)
