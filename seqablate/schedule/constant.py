"""The same learning rate throughout."""

from __future__ import annotations

from dataclasses import dataclass

from omegaconf import MISSING

from seqablate.config.registry import variant
from seqablate.config.schema import at_least
from seqablate.schedule.base import warmup


@variant("schedule", "constant")
@dataclass(kw_only=True, slots=True)
class ConstantConfig:
    """``warmup_steps`` of linear warm-up, then a factor of 1."""

    warmup_steps: int = MISSING

    def __post_init__(self) -> None:
        at_least("schedule.warmup_steps", self.warmup_steps, 0)

    def factor(self, step: int, steps: int) -> float:
        """See :class:`seqablate.schedule.base.Schedule`."""
        return warmup(step, self.warmup_steps)
