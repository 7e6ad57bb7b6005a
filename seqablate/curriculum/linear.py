"""Lengths that grow with the steps, whatever has been learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from seqablate.config.keys import key
from seqablate.config.registry import variant
from seqablate.curriculum.base import GrowingConfig
from seqablate.errors import UsageError


def _share(key: str, value: float) -> None:
    if not 0 < value <= 1:
        raise UsageError(f"{key}={value}: must be above 0 and at most 1")


@variant("curriculum", "linear")
@dataclass(kw_only=True, slots=True)
class LinearConfig(GrowingConfig):
    """The length grows from shortest to task.length in proportion to the steps."""

    reference: ClassVar[str] = "Bengio et al. 2009; Deletang et al. 2023"

    share: float = key(_share, "of the steps after which the length is task.length")

    def longest(self, step: int, steps: int, length: int, reached: int | None) -> int:
        """See :class:`seqablate.curriculum.base.Curriculum`."""
        progress = min(1.0, step / (self.share * steps))
        return self.shortest + int(progress * (length - self.shortest))
