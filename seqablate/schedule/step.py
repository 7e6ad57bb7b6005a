"""Step decay: ``lr`` is multiplied by ``gamma`` every ``step_size`` steps (torch.optim.lr_scheduler.StepLR)."""

from __future__ import annotations

from dataclasses import dataclass

from seqablate.config.checks import at_least, positive
from seqablate.config.keys import key
from seqablate.config.registry import variant
from seqablate.schedule.base import warmup


@variant("schedule", "step")
@dataclass(kw_only=True, slots=True)
class StepConfig:
    """lr multiplied by gamma every step_size steps; those of the optional linear warm-up count."""

    warmup_steps: int = key(at_least(0), "steps over which lr rises from 0")
    step_size: int = key(at_least(1), "steps between two cuts")
    gamma: float = key(positive, "factor of a cut")

    def factor(self, step: int, steps: int) -> float:
        """See :class:`seqablate.schedule.base.Schedule`."""
        return warmup(step, self.warmup_steps) * self.gamma ** (step // self.step_size)
