"""No penalty."""

from __future__ import annotations

from dataclasses import dataclass

from seqablate.config.registry import variant
from seqablate.regularizer.base import Regularizer


@variant("regularizer", "none")
@dataclass(kw_only=True, slots=True)
class NoRegularizerConfig:
    """No penalty: the loss of the task alone."""

    def build(self) -> Regularizer:
        """The regularizer."""
        return Regularizer()

    def factor(self, step: int, steps: int) -> float:
        """No weight."""
        return 0.0
