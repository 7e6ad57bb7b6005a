"""The same task at other lengths: what a curriculum trains on, and what ``eval.lengths`` evaluates.

A task can vary in length if its config has the key ``length``: at another length it is that config with another value.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from seqablate.config.keys import check_config, hints
from seqablate.config.registry import variant_name
from seqablate.config.task_spec import TaskTraits
from seqablate.errors import UsageError


def task_at(task: Any, length: int) -> Any:
    """The config of a task at another length (UsageError where its keys do not allow it)."""
    changed = replace(task, length=length)
    check_config(changed, "task.")
    return changed


@dataclass(frozen=True, slots=True)
class Lengths:
    """The lengths that a run needs of its task.

    Attributes:
        task: its config.
        shortest: the smallest length of a training sequence; None: all have ``task.length``.
        further: ``eval.lengths``.
    """

    task: Any
    shortest: int | None
    further: list[int]

    @property
    def others(self) -> list[tuple[str, int]]:
        """The lengths beside ``task.length``, with the key that asks for each; of a curriculum's the shortest.

        What a task's keys allow are bounds on its length, and its horizon grows with it, so that lengths between the
        shortest and ``task.length`` need no look of their own: there may be many.
        """
        own = getattr(self.task, "length", None)
        begin = [] if self.shortest is None else [self.shortest]
        asked = [*(("curriculum", length) for length in begin), *(("eval.lengths", length) for length in self.further)]
        return [(key, length) for key, length in asked if length != own]

    def check(self) -> None:
        """Refuse lengths that the task cannot have (UsageError names the key)."""
        if self.shortest is not None and self.shortest > getattr(self.task, "length", self.shortest):
            raise UsageError(f"curriculum.shortest={self.shortest}: must be at most task.length={self.task.length}")
        for key, length in self.others:
            self._refuse_fixed(key)
            try:
                task_at(self.task, length)
            except UsageError as error:
                raise UsageError(f"{key}: {error}") from error

    def _refuse_fixed(self, key: str) -> None:
        why = "its source has a fixed number of timesteps" if self.task.traits.source_steps is not None else None
        declared: Any = type(self.task)
        if hints(declared).get("length") is not int:
            why = "it has no task.length"
        if why is not None:
            raise UsageError(f"{key}: task={variant_name(self.task)} cannot vary in length ({why}); use another task")

    @property
    def traits(self) -> TaskTraits:
        """What a model is told: no fixed length where lengths vary, and the longest sequence that it will be given."""
        traits: TaskTraits = self.task.traits
        if not self.others:
            return traits
        horizons = (task_at(self.task, length).traits.horizon for _, length in self.others)
        return replace(traits, length=None, longest=max(traits.horizon, *horizons))
