"""Lengths that grow with what has been learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from seqablate.config.checks import at_least
from seqablate.config.keys import key
from seqablate.config.registry import variant
from seqablate.curriculum.base import GrowingConfig


@variant("curriculum", "when_solved")
@dataclass(kw_only=True, slots=True)
class WhenSolvedConfig(GrowingConfig):
    """The length grows when an evaluation at the current length meets the goal of the task."""

    reference: ClassVar[str] = "Zaremba & Sutskever 2014"
    judged: ClassVar[bool] = True

    add: int = key(at_least(1), "by how much the length grows when it is solved; again until one is not")

    def longest(self, step: int, steps: int, length: int, reached: int | None) -> int:
        """See :class:`seqablate.curriculum.base.Curriculum`."""
        return self.shortest if reached is None else reached

    def grown(self, current: int, length: int) -> int:
        """See :class:`seqablate.curriculum.base.Curriculum`."""
        return min(current + self.add, length)
