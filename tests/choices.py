"""What a model can be combined with, found by asking it: a new model needs no list of its own in any test."""

from __future__ import annotations

from seqablate.config.compose import compose_config
from seqablate.errors import UsageError

REVERSE = "task=reverse task.length=4 task.symbols=5"
TASKS = ("task=copy task.length=10", "task=adding task.length=10", "task=digits", REVERSE)


def accepts(model: str, task: str) -> bool:
    """Whether a model can be trained on a task; both are words of a command line."""
    try:
        compose_config([*model.split(), *task.split()])
    except UsageError:
        return False
    return True


def task_for(model: str, first: str = TASKS[0]) -> str:
    """A task that a model accepts: ``first``, or else a small one."""
    return next(task for task in (first, *TASKS) if accepts(model, task))
