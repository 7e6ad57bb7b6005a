"""What makes the steps of a run: the plain step, or where it can the compiled one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from seqablate.diagnostics.look import new_probe
from seqablate.tasks.base import Task
from seqablate.training.compiled.which import refusal
from seqablate.training.parts import Parts
from seqablate.training.step import StepOutcome, train_step

# (step, task, carried state, whether every timestep is observed, whether the update is measured)
Stepper = Callable[[int, Task, Any, bool, bool], StepOutcome]


def stepper(parts: Parts) -> Stepper:
    """For the parts as they are: a checkpoint has been loaded into them, if there is one."""
    if refusal(parts) is None:
        from seqablate.training.compiled.step import CompiledStep

        return CompiledStep(parts)
    return plain(parts)


def plain(parts: Parts) -> Stepper:
    """The plain step, which any run can make."""

    def make(step: int, task: Task, carried: Any, observed: bool, measure_update: bool) -> StepOutcome:
        probe = new_probe(parts.model) if observed else None
        outcome = train_step(parts, step, task, carried, probe or nullcontext(), measure_update)
        return replace(outcome, seen=probe)

    return make
