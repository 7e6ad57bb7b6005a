"""What a run is made of, once everything has been built. Filled by ``assemble.py``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from seqablate.clip.base import Clip
from seqablate.config.schema import TrainConfig
from seqablate.optim.guess import RandomGuess
from seqablate.regularizer.base import Regularizer
from seqablate.schedule.base import Schedule
from seqablate.tasks.base import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The config and the objects built from it; nothing here is a setting of its own."""

    config: TrainConfig
    task: Task
    task_at: Callable[[int], Task]  # the same at another value of task.length
    model: Any  # torch.nn.Module that is also a seqablate.models.base.Model
    regularizer: Regularizer
    clip: Clip
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    device: torch.device
    backend: str  # what runs the recurrences (seqablate/engine/recurrence.py)
    dtype: torch.dtype
    parameters: list[torch.nn.Parameter]  # those that are trained, in the model's order

    @property
    def parameter_count(self) -> int:
        """How many numbers are trained."""
        return sum(p.numel() for p in self.parameters)

    @property
    def guessing(self) -> bool:
        """Whether weights are drawn until they solve the task, instead of being trained."""
        return isinstance(self.optimizer, RandomGuess)
