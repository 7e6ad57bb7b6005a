"""The loop: evaluate, save, step. Everything measured at step s is about the parameters after s updates.

Order within a step: evaluation (if due), then a checkpoint (if due), then the update. So a checkpoint at step s
holds everything measured up to s, and a resumed run begins with update s + 1.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol

import torch

from seqablate.record.rows import (
    ConfirmationRow,
    EvalRow,
    LengthRow,
    PenaltyRow,
    Row,
    SignalRow,
    SkipRow,
    TestRow,
    TextRow,
    TrainRow,
)
from seqablate.record.schema import Best, Evaluation, Results
from seqablate.signals import FLOORS, Signal, fit_decay
from seqablate.signals.fit import Fit
from seqablate.signals.view import has_decay
from seqablate.training.diagnose import after_last_step, look_at, looks, read_step, step_observed
from seqablate.training.evaluate import evaluate, sample_text
from seqablate.training.interrupt import Interruption
from seqablate.training.lengths import grown_length, test_at_lengths, training_task
from seqablate.training.parts import Parts
from seqablate.training.skip import WHY
from seqablate.training.state import TrainState
from seqablate.training.step import COLUMNS
from seqablate.training.stepper import Stepper, stepper


@dataclass(frozen=True, slots=True)
class Measured:
    """A step that is not recorded yet: its numbers (of COLUMNS), and what was probed, are still on the device."""

    step: int
    lr: float
    weight: float | None  # of the penalty, where there is one
    guessed: bool  # whether the weights of the step were thrown away, by a random guess
    values: torch.Tensor
    signals: Callable[[], list[Signal]]


Pending = list[Measured]

FETCH_EVERY = 10  # steps between waits for the device; divergence is noticed then, at the step where it happened


class Journal(Protocol):
    """Where a run's rows go: the record, its views and whoever watches."""

    def rows(self, rows: Sequence[Row]) -> None:
        """Record rows, in order."""

    def progress(self, state: TrainState) -> None:
        """An evaluation is over: the summary may be brought up to date."""

    def commit(self, state: TrainState) -> None:
        """Save the whole state, then record that it is safe."""


class Diverged(Exception):
    """The loss or the gradient norm is no longer finite; ``step`` says where."""

    def __init__(self, step: int, what: str) -> None:
        super().__init__(f"{what} is not finite at step {step}")
        self.step = step


def run_loop(
    parts: Parts, state: TrainState, journal: Journal, interruption: Interruption
) -> Literal["done", "interrupted"]:
    """Train until the budget is spent, the task solved, or an interruption.

    Args:
        parts: the run.
        state: where to begin; updated in place.
        journal: receives every row and every commit.
        interruption: asked after each step.

    Returns:
        ``"done"`` or ``"interrupted"``.

    Raises:
        Diverged: the last committed checkpoint stays as it is.
        RunFailure: what the journal could not write.
    """
    config, make_step = parts.config, stepper(parts)
    pending: Pending = []
    resumed_at = state.step if state.progress.last else None  # what was due there has been measured already
    while not state.progress.finished:
        step = state.step
        fresh = step != resumed_at
        at_end = step >= config.steps
        evaluation_due = fresh and (at_end or step % config.eval.every == 0)
        if evaluation_due or step % FETCH_EVERY == 0:
            _fetch(pending, state, journal)
        if evaluation_due:
            _evaluate(parts, state, journal)
        if at_end or (config.stop_when_solved and state.progress.solved_at is not None):
            if fresh and config.eval.lengths:
                journal.commit(state)
            _finish(parts, state, journal)
        elif interruption.signum is not None:
            if fresh:
                _save(pending, state, journal)
            return "interrupted"
        else:
            if fresh and step > 0 and config.checkpoint.every and step % config.checkpoint.every == 0:
                _save(pending, state, journal)
            _train(parts, make_step, state, pending)
    return "done"


def _save(pending: Pending, state: TrainState, journal: Journal) -> None:
    _fetch(pending, state, journal)
    journal.commit(state)


def _train(parts: Parts, make_step: Stepper, state: TrainState, pending: Pending) -> None:
    step, looked = state.step, list[Signal]()
    if step % parts.config.eval.every and looks(parts, step, evaluating=False):
        with _timed(state, "eval"):
            looked = look_at(parts, step, evaluating=False)
    with _timed(state, "train"):
        task = training_task(parts, step, state.progress.length)
        outcome = make_step(step, task, state.carried, step_observed(parts, step), step % FETCH_EVERY == 0)
        read = list if outcome.seen is None else partial(read_step, parts, outcome.seen, step, outcome.lengths)
        lr = parts.optimizer.param_groups[0]["lr"]
        pending.append(
            Measured(step, lr, outcome.weight, outcome.guessed, outcome.measured, lambda: [*looked, *read()])
        )
    state.progress.guesses += outcome.guessed
    state.carried = outcome.carried
    state.step += 1


def _fetch(pending: Pending, state: TrainState, journal: Journal) -> None:
    """Bring the measurements of the last steps over from the device, record them, and look for divergence."""
    if not pending:
        return
    table = torch.stack([measured.values for measured in pending]).double().cpu().tolist()
    rows: list[Row] = []
    for measured, values in zip(pending, table, strict=True):
        named = dict(zip(COLUMNS, values, strict=True))
        penalty = _penalty(measured, named.pop("penalty"), named.pop("penalty_norm"))
        skip = [SkipRow(step=measured.step, why=WHY[why]) for why in [named.pop("skipped")] if why]
        row = TrainRow(step=measured.step, lr=measured.lr, clipped=int(named.pop("clipped")), **named)
        state.progress.skipped += len(skip)
        if not skip:
            state.progress.clipped += row.clipped
            state.progress.regularized += any(found.grad_norm != 0 for found in penalty)
        rows += [row, *skip, *penalty, *_rows(measured.signals())]
        if not skip and not measured.guessed and not (math.isfinite(row.loss) and math.isfinite(row.grad_norm)):
            journal.rows(rows)
            raise Diverged(measured.step, "the loss" if not math.isfinite(row.loss) else "the gradient norm")
    pending.clear()
    journal.rows(rows)


def _penalty(measured: Measured, value: float, norm: float) -> list[PenaltyRow]:
    if measured.weight is None:
        return []
    return [PenaltyRow(step=measured.step, value=value, weight=measured.weight, grad_norm=norm)]


def _evaluate(parts: Parts, state: TrainState, journal: Journal) -> None:
    with _timed(state, "eval"):
        results = evaluate(parts, "evaluation")
        if results.solved:
            _confirm(parts, state)
        signals = look_at(parts, state.step, evaluating=True)
        text = sample_text(parts, state.step) if math.isfinite(results.loss) else None
        state.progress.length = grown_length(parts, state.step, state.progress.length)
    if not math.isfinite(results.loss) and not parts.guessing:
        raise Diverged(state.step, "the evaluation loss")
    _note_progress(parts, state, results, signals)
    rows: list[Row] = [EvalRow.at(state.step, results, length=state.progress.length), *_rows(signals)]
    if (asked := state.progress.confirmation) is not None and asked.step == state.step:
        rows.append(ConfirmationRow.at(state.step, asked))
    if text is not None:
        rows.append(TextRow(step=state.step, text=text))
    journal.rows(rows)
    journal.progress(state)


def _note_progress(parts: Parts, state: TrainState, results: Results, signals: list[Signal]) -> None:
    progress, headline = state.progress, parts.task.metrics[0]
    progress.last = Evaluation.at(state.step, results)
    value = results.metrics[headline.name]
    if progress.best is None or _better(value, progress.best.value, headline.lower_is_better):
        progress.best = Best(step=state.step, value=value)
    _note_loss(state, results.solved)
    progress.decay = []
    for signal in signals:
        decay = fit_decay(signal.values, FLOORS[parts.config.dtype.value]) if has_decay(signal) else None
        if decay is not None:
            progress.decay.append(Fit.of(signal.quantity, signal.place, decay))


def _better(value: float, best: float, lower: bool) -> bool:
    """Whether a value is better than the best one so far; every number is better than NaN."""
    if math.isnan(value) or math.isnan(best):
        return math.isnan(best) and not math.isnan(value)
    return (value < best) == lower


def _confirm(parts: Parts, state: TrainState) -> None:
    """Ask the test data whether the task is solved: an evaluation of few sequences meets a goal by luck, too.

    They are asked again only where the answer may have changed: until they agree, and after the goal was lost.
    """
    progress = state.progress
    if progress.solved_at is not None and progress.lost_at is None:
        return
    results = evaluate(parts, "test")
    progress.confirmation = Evaluation.at(state.step, results)
    if not results.solved:
        progress.refuted += 1
        return
    progress.lost_at = None
    if progress.solved_at is None:
        progress.solved_at = state.step


def _note_loss(state: TrainState, solved: bool) -> None:
    """A task that was solved and no longer is, is lost from here on."""
    progress = state.progress
    if progress.solved_at is not None and progress.lost_at is None and not solved:
        progress.lost_at = state.step


def _finish(parts: Parts, state: TrainState, journal: Journal) -> None:
    """The last measurements, the held-out test, and the checkpoint that ends the run.

    Tests at other lengths may need more memory than training did. Where there are such, the checkpoint comes before
    the tests, and a run that has failed in one goes on with them. It is not written again: a process that is killed
    between a file and the row that commits it must leave the committed file as it was.
    """
    progress = state.progress
    with _timed(state, "eval"):
        task = training_task(parts, state.step, progress.length)
        signals = after_last_step(parts, state.step, task, state.carried)
        progress.test = _test(parts, state)
        progress.at_lengths = test_at_lengths(parts)
    _note_loss(state, progress.test.solved)
    journal.rows([*_rows(signals), TestRow.at(state.step, progress.test)])
    journal.rows([LengthRow.of(state.step, found) for found in progress.at_lengths])
    progress.finished = True
    if not parts.config.eval.lengths:
        journal.commit(state)


def _test(parts: Parts, state: TrainState) -> Results:
    """Results on the test data; where they have just confirmed or refuted this very step, these."""
    asked = state.progress.confirmation
    if asked is not None and asked.step == state.step:
        return Results(loss=asked.loss, metrics=asked.metrics, solved=asked.solved)
    return evaluate(parts, "test")


def _rows(signals: list[Signal]) -> list[SignalRow]:
    return [SignalRow.of(signal) for signal in signals]


@contextmanager
def _timed(state: TrainState, what: Literal["train", "eval"]) -> Iterator[None]:
    start = time.perf_counter()
    yield
    state.progress.spend(what, time.perf_counter() - start)
