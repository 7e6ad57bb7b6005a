"""The same learning rate throughout."""

from __future__ import annotations

from dataclasses import dataclass

from seqablate.config.checks import at_least
from seqablate.config.keys import key
from seqablate.config.registry import variant
from seqablate.schedule.base import warmup


@variant("schedule", "constant")
@dataclass(kw_only=True, slots=True)
class ConstantConfig:
    """The same learning rate throughout, after an optional linear warm-up."""

    warmup_steps: int = key(at_least(0), "steps over which lr rises from 0")

    def factor(self, step: int, steps: int) -> float:
        """See :class:`seqablate.schedule.base.Schedule`."""
        return warmup(step, self.warmup_steps)
