"""Tasks whose sequences are drawn, never stored: a sampler, an objective and a criterion put together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from seqablate.config.metric import Metric
from seqablate.config.task_spec import EVAL_BATCH, TaskSpec
from seqablate.streams import stream
from seqablate.tasks.base import NO_TARGET, Batch, ByObjective, NextLogits, RunData

if TYPE_CHECKING:
    from seqablate.tasks.objectives import Classification, Regression

Sampler = Callable[[np.random.Generator, int], Batch]


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticTask(ByObjective):
    """See :class:`seqablate.tasks.base.Task`.

    Args:
        sampler: draws n sequences with a generator. The first k of n must be those of k, so that a batch size or an
            evaluation size takes a beginning of the same data: draw sample by sample, and what is not drawn with all
            else of its sample from a generator of its own (``rng.spawn``).
        objective: loss and scores.
        data: seeds and sizes of this run.
        input_names, target_names: see :class:`seqablate.tasks.base.ByObjective`.
        also_needed: what must hold besides the headline metric's goal for the task to be solved.
        shuffle_labels: train on the targets of other sequences, drawn independently of the input: a control, from which
            nothing about the input can be learned. Evaluation and test keep theirs. (A language model's targets are
            its next inputs: only the text itself could be shuffled.)
    """

    spec: TaskSpec
    metrics: tuple[Metric, ...]
    sampler: Sampler
    objective: Regression | Classification
    data: RunData
    input_names: tuple[str, ...] = ()
    target_names: tuple[str, ...] = ()
    also_needed: Callable[[dict[str, float]], bool] = lambda results: True
    baselines: dict[str, float] = field(default_factory=dict)
    test_baselines: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    shuffle_labels: bool = False
    fingerprint: None = None

    def train_batch(self, step: int) -> Batch:
        batch = self.sampler(stream(self.data.seed, "data", step), self.data.batch_size)
        if self.shuffle_labels:
            others = self.sampler(stream(self.data.seed, "labels", step), self.data.batch_size)
            batch = with_targets(batch, others, self.spec.source_steps)
        return batch

    def eval_batches(self, split: str) -> Iterator[Batch]:
        return (self.sampler(rng, count) for rng, count in eval_streams(self.data, split))

    def summarise(self, loss: float, scores: dict[str, float]) -> dict[str, float]:
        return {"loss": loss, **scores}

    def solved(self, results: dict[str, float]) -> bool:
        headline = self.metrics[0]
        return headline.met(results[headline.name]) and self.also_needed(results)

    def sample(self, next_logits: NextLogits, rng: np.random.Generator) -> str | None:
        return None


def eval_streams(data: RunData, split: str) -> Iterator[tuple[np.random.Generator, int]]:
    """For each batch of a split the generator that it is drawn with, and its sequences."""
    for start in range(0, data.eval_size, EVAL_BATCH):
        yield stream(data.eval_seed, split, start), min(EVAL_BATCH, data.eval_size - start)


def with_targets(batch: Batch, others: Batch, source_steps: int | None) -> Batch:
    """``batch`` with the targets of ``others``; a transduction's inputs after the source are targets and come along.

    Targets shuffled within a batch are not enough: one in B keeps its place, and that suffices to learn from.
    """
    x = batch.x if source_steps is None else np.concatenate([batch.x[:source_steps], others.x[source_steps:]])
    unequal = batch.lengths is not None and others.y.ndim == 2
    return replace(batch, x=x, y=_at_valid_steps(others.y, batch) if unequal else others.y)


def _at_valid_steps(y_SB: np.ndarray, batch: Batch) -> np.ndarray:
    """Targets [T, B] for the valid steps of ``batch``, from those of other lengths; NO_TARGET where these have none."""
    y_TB = np.full(batch.x.shape[:2], NO_TARGET)
    y_TB[: len(y_SB)] = y_SB[: len(y_TB)]
    return np.where(np.arange(len(y_TB))[:, None] < batch.lengths, y_TB, NO_TARGET)


def time_first(drawn_BT: np.ndarray) -> np.ndarray:
    """[T, B] of what was drawn sample by sample: more samples leave the first ones as they are."""
    return np.ascontiguousarray(drawn_BT.T)


def one_hot(symbols_TB: np.ndarray, size: int) -> np.ndarray:
    """float32 [T, B, size] with a 1 at each symbol; a symbol of -1 (padding) gives zeros."""
    x_TBI = np.zeros((*symbols_TB.shape, size), dtype=np.float32)
    np.put_along_axis(x_TBI, np.maximum(symbols_TB, 0)[..., None], (symbols_TB >= 0)[..., None], axis=-1)
    return x_TBI
