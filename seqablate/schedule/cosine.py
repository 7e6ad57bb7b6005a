"""Half a cosine from ``lr`` to ``lr * final_factor`` (Loshchilov & Hutter 2017, eq. 5, without restarts)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from seqablate.config.checks import at_least
from seqablate.config.keys import key
from seqablate.config.registry import variant
from seqablate.errors import UsageError
from seqablate.schedule.base import warmup


def _share(key: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise UsageError(f"{key}={value}: must be from 0 to 1")


@variant("schedule", "cosine")
@dataclass(kw_only=True, slots=True)
class CosineConfig:
    """Half a cosine from lr down to lr * final_factor, after an optional linear warm-up."""

    reference: ClassVar[str] = "Loshchilov & Hutter 2017, eq. 5, without restarts"

    warmup_steps: int = key(at_least(0), "steps over which lr rises from 0")
    final_factor: float = key(_share, "lr at the end, as a share of lr")

    def factor(self, step: int, steps: int) -> float:
        """See :class:`seqablate.schedule.base.Schedule`."""
        if step < self.warmup_steps:
            return warmup(step, self.warmup_steps)
        progress = (step - self.warmup_steps) / max(1, steps - self.warmup_steps)
        return self.final_factor + (1 - self.final_factor) * 0.5 * (1 + math.cos(math.pi * progress))
