"""When the diagnostics of a run are due, and the passes that they are given. None is known by its name.

``probe.every=0`` switches all of them off.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np
import torch

from seqablate.diagnostics.base import Diagnostic, EvaluationDiagnostic, TrainingDiagnostic
from seqablate.diagnostics.batches import first_samples
from seqablate.diagnostics.look import Look, ProbedPass, Records, new_probe
from seqablate.engine.subnormals import flushed
from seqablate.signals import Signal
from seqablate.tasks.base import Task
from seqablate.training.parts import Parts
from seqablate.training.step import clipping, dropout_generator, forward, sample_losses

D = TypeVar("D", bound=Diagnostic)


def step_observed(parts: Parts, step: int) -> bool:
    """Whether a diagnostic is due that reads the backward pass of the training step."""
    return bool(_due_in_training(parts, step))


def read_step(parts: Parts, seen: Records, step: int, lengths: np.ndarray | None) -> list[Signal]:
    """What the diagnostics that are due read off the observed pass of a training step: one pass for all of them.

    ``lengths`` are the batch's valid steps [B], None when all are.
    """
    return _read(parts, seen, step, lengths, _due_in_training(parts, step))


def look_at(parts: Parts, step: int, *, evaluating: bool) -> list[Signal]:
    """What is due on evaluation data, with the parameters as they are before this step is made."""
    return _look(parts, step, looks(parts, step, evaluating=evaluating))


def looks(parts: Parts, step: int, *, evaluating: bool) -> list[EvaluationDiagnostic]:
    """The diagnostics on evaluation data that are due."""
    return [diagnostic for diagnostic in _chosen(parts, EvaluationDiagnostic) if diagnostic.due(step, evaluating)]


def after_last_step(parts: Parts, step: int, task: Task, carried: Any) -> list[Signal]:
    """What is measured when the run ends, whatever its schedule, unless it has been measured at this very step.

    A backward pass is made on the batch of ``task`` that would come next, without an update.
    """
    others = [d for d in _chosen(parts, EvaluationDiagnostic) if not d.due(step, evaluating=True)]
    signals = _look(parts, step, others)
    if reading := _chosen(parts, TrainingDiagnostic):
        arrays = task.train_batch(step)
        batch = arrays.tensors(parts.device, parts.dtype)
        with flushed(parts.device), new_probe(parts.model) as probe, clipping(parts, arrays):
            _, losses, _ = forward(parts.model, task, batch, carried, dropout_generator(parts, step))
            sample_losses(losses, batch).mean().backward()
        parts.optimizer.zero_grad(set_to_none=True)
        signals += _read(parts, probe, step, arrays.lengths, reading)
    return signals


def _chosen(parts: Parts, kind: type[D]) -> list[D]:
    """The run's diagnostics of one kind."""
    chosen = parts.config.diagnostic.values() if parts.config.probe.every else ()
    return [diagnostic for diagnostic in chosen if isinstance(diagnostic, kind)]


def _due_in_training(parts: Parts, step: int) -> list[TrainingDiagnostic]:
    every = parts.config.probe.every
    return [diagnostic for diagnostic in _chosen(parts, TrainingDiagnostic) if diagnostic.due(step, every)]


def _read(
    parts: Parts,
    records: Records,
    step: int,
    lengths: np.ndarray | None,
    diagnostics: Iterable[TrainingDiagnostic],
) -> list[Signal]:
    seen = ProbedPass(step=step, points=parts.model.probe_points, records=records, lengths=lengths, mean=True)
    return [signal for diagnostic in diagnostics for signal in diagnostic.measure(seen)]


def _look(parts: Parts, step: int, diagnostics: list[EvaluationDiagnostic]) -> list[Signal]:
    if not diagnostics:
        return []
    batch = first_samples(next(parts.task.eval_batches("evaluation"))).tensors(parts.device, parts.dtype)

    def run() -> torch.Tensor:
        return forward(parts.model, parts.task, batch, None, generator=None)[1]

    look = Look(step=step, model=parts.model, task=parts.task.spec, batch=batch, run=run)
    signals = [signal for diagnostic in diagnostics for signal in diagnostic.measure(look)]
    parts.optimizer.zero_grad(set_to_none=True)
    return signals
