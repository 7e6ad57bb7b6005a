"""Half a cosine from ``lr`` to ``lr * final_factor`` (Loshchilov & Hutter 2017, eq. 5, without restarts)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from omegaconf import MISSING

from seqablate.config.registry import variant
from seqablate.config.schema import at_least
from seqablate.errors import UsageError
from seqablate.schedule.base import warmup


@variant("schedule", "cosine")
@dataclass(kw_only=True, slots=True)
class CosineConfig:
    """``warmup_steps`` of linear warm-up, then the cosine over the steps that remain."""

    warmup_steps: int = MISSING
    final_factor: float = MISSING

    def __post_init__(self) -> None:
        at_least("schedule.warmup_steps", self.warmup_steps, 0)
        if not 0 <= self.final_factor <= 1:
            raise UsageError(f"schedule.final_factor={self.final_factor}: must be from 0 to 1")

    def factor(self, step: int, steps: int) -> float:
        """See :class:`seqablate.schedule.base.Schedule`."""
        if step < self.warmup_steps:
            return warmup(step, self.warmup_steps)
        progress = (step - self.warmup_steps) / max(1, steps - self.warmup_steps)
        return self.final_factor + (1 - self.final_factor) * 0.5 * (1 + math.cos(math.pi * progress))
