"""What a learning-rate schedule is: a pure function of the step, times the optimizer's ``lr``."""

from __future__ import annotations

from typing import Protocol


class Schedule(Protocol):
    """A config of this group is its own run-time object, so it has no ``build``."""

    def factor(self, step: int, steps: int) -> float:
        """What ``lr`` is multiplied by at ``step`` (0-based) of ``steps``."""


def warmup(step: int, warmup_steps: int) -> float:
    """Linear warm-up: 1/W, 2/W, ... 1 over the first W steps, then 1."""
    return min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0
