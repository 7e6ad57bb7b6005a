"""A run whose sequences vary in length: what a step trains on, when the length grows, and the test at other lengths."""

from __future__ import annotations

from seqablate.record.schema import AtLength
from seqablate.tasks.base import Task
from seqablate.training.evaluate import evaluate
from seqablate.training.parts import Parts


def current_length(parts: Parts, step: int, reached: int | None) -> int | None:
    """The largest length that a training sequence of ``step`` may have; None where it never varies.

    ``reached`` is what :func:`grown_length` gave at the last evaluation.
    """
    config = parts.config
    if config.curriculum.shortest is None:
        return None
    current: int = config.curriculum.longest(step, config.steps, config.task.length, reached)
    return current


def training_task(parts: Parts, step: int, reached: int | None) -> Task:
    """What a training step trains on: a pure function of the run's seed, the step and the length reached."""
    current = current_length(parts, step, reached)
    if current is None:
        return parts.task
    return parts.task_at(parts.config.curriculum.drawn(current, parts.config.seed, step))


def grown_length(parts: Parts, step: int, reached: int | None) -> int | None:
    """The current length after an evaluation.

    A length grows until one is not solved on evaluation data of its own.
    """
    current, curriculum = current_length(parts, step, reached), parts.config.curriculum
    if current is None or not curriculum.judged:
        return current
    length = parts.config.task.length
    while current < length and evaluate(parts, "evaluation", parts.task_at(current)).solved:
        current = curriculum.grown(current, length)
    return current


def test_at_lengths(parts: Parts) -> list[AtLength]:
    """Results on test data of each of ``eval.lengths``."""
    return [_test(parts, length) for length in parts.config.eval.lengths]


def _test(parts: Parts, length: int) -> AtLength:
    task = parts.task_at(length)
    found = evaluate(parts, "test", task)
    chance = task.metrics[0].chance
    return AtLength(length=length, chance=chance, loss=found.loss, metrics=found.metrics, solved=found.solved)
