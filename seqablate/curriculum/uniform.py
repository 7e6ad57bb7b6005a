"""A range of lengths from the first step to the last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from seqablate.config.registry import variant
from seqablate.curriculum.base import VariedConfig, uniform_length


@variant("curriculum", "uniform")
@dataclass(kw_only=True, slots=True)
class UniformConfig(VariedConfig):
    """The length of each training batch is drawn from shortest to task.length."""

    reference: ClassVar[str] = "Deletang et al. 2023"

    def drawn(self, current: int, seed: int, step: int) -> int:
        """See :class:`seqablate.curriculum.base.Curriculum`."""
        return uniform_length(self.shortest, current, seed, step)
