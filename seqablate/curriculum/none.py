"""No curriculum: all training sequences have the length of the task."""

from __future__ import annotations

from dataclasses import dataclass

from seqablate.config.registry import variant
from seqablate.curriculum.base import Curriculum


@variant("curriculum", "none")
@dataclass(kw_only=True, slots=True)
class NoCurriculumConfig(Curriculum):
    """All training sequences have the length of the task."""
