"""Step decay: ``lr`` is multiplied by ``gamma`` every ``step_size`` steps (torch.optim.lr_scheduler.StepLR)."""

from __future__ import annotations

from dataclasses import dataclass

from omegaconf import MISSING

from seqablate.config.registry import variant
from seqablate.config.schema import at_least, positive
from seqablate.schedule.base import warmup


@variant("schedule", "step")
@dataclass(kw_only=True, slots=True)
class StepConfig:
    """``warmup_steps`` of linear warm-up (they count), ``step_size`` and ``gamma``."""

    warmup_steps: int = MISSING
    step_size: int = MISSING
    gamma: float = MISSING

    def __post_init__(self) -> None:
        at_least("schedule.warmup_steps", self.warmup_steps, 0)
        at_least("schedule.step_size", self.step_size, 1)
        positive("schedule.gamma", self.gamma)

    def factor(self, step: int, steps: int) -> float:
        """See :class:`seqablate.schedule.base.Schedule`."""
        return warmup(step, self.warmup_steps) * self.gamma ** (step // self.step_size)
