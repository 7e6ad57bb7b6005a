"""Span corruption and T5's other objectives: a model reads a corrupted stretch of text and writes what repairs it.

Source and target stand in one sequence, as in task=reverse: the source, ``<start>``, and the targets so far (teacher
forcing). :mod:`seqablate.tasks.corruption` says what the objectives are. Of the text ``to be or not``, of which two
spans are corrupted::

    input   t o _ <0> _ o r _ n o <1> <end> <start> <0> b e <1> t      (_ is a blank)
    target                                   <0>  b e <1> t <end>      (of the last S steps only)

Stretches are drawn from anywhere in their part of the text, and corrupted anew each time. All sequences of a run have
the same length, so there is no padding.

Shapes: B batch, N tokens of text, T source steps, S target steps.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from seqablate.config.checks import at_least, fraction, positive
from seqablate.config.keys import key
from seqablate.config.metric import Metric
from seqablate.config.registry import variant
from seqablate.config.task_spec import EVAL_BATCH, TaskSpec, TaskTraits
from seqablate.errors import UsageError
from seqablate.streams import stream
from seqablate.tasks.base import Batch, ByObjective, NextLogits, RunData
from seqablate.tasks.corpus import HELD_OUT, SPLITS, Corpus, unknown_note
from seqablate.tasks.corruption import Corruption, Recipe, stretches
from seqablate.tasks.ngram import perplexity, unigram_loss
from seqablate.tasks.text_config import TextConfig

if TYPE_CHECKING:
    from seqablate.tasks.objectives import Classification

PARTS = {"train": "train", "evaluation": "validation", "test": "test"}  # of the text


@variant("task", "span_corruption")
@dataclass(kw_only=True, slots=True)
class SpanCorruptionConfig(TextConfig):
    """T5's objectives on a text: read a corrupted stretch, write the spans that are missing, or the whole.

    ``corruption_rate`` and ``mean_span_length`` are 0.15 and 3 in the paper's models.
    """

    reference: ClassVar[str] = "Raffel et al. 2020, sections 3.1.4 and 3.3"

    objective: Corruption = key("what becomes of a stretch of text")
    length: int = key(at_least(2), "tokens of text in a stretch, before it is corrupted")
    corruption_rate: float = key(positive, fraction, "share of its tokens; of span_corruption and denoise")
    mean_span_length: float = key(at_least(1), "tokens of a corrupted span, on average; of span_corruption")

    def check_keys(self) -> None:
        spans, objective = self.recipe.spans, self.objective.value
        if spans > (kept := self.length - self.recipe.noise):
            raise UsageError(
                f"task.corruption_rate={self.corruption_rate} with task.mean_span_length={self.mean_span_length} and "
                f"task.length={self.length}: {spans} spans need as many tokens between them, and {kept} are left; "
                "use longer spans or a smaller rate"
            )
        if self.objective is not Corruption.span_corruption and self.mean_span_length != 3:
            raise UsageError(
                f"task.mean_span_length={self.mean_span_length} has no effect with task.objective={objective}: "
                "leave it out, or use task.objective=span_corruption"
            )
        if self.objective in (Corruption.prefix_lm, Corruption.deshuffle) and self.corruption_rate != 0.15:
            raise UsageError(
                f"task.corruption_rate={self.corruption_rate} has no effect with task.objective={objective}: "
                "leave it out, or use task.objective=span_corruption or denoise"
            )

    @property
    def recipe(self) -> Recipe:
        """How sources and targets are made."""
        return Recipe(
            objective=self.objective,
            length=self.length,
            rate=self.corruption_rate,
            mean_span=self.mean_span_length,
        )

    @property
    def traits(self) -> TaskTraits:
        """A token at each of the last S steps, every one of them the next step's input."""
        source, target = self.recipe.steps
        return TaskTraits(
            horizon=source + target,
            length=source + target,
            tokens=True,
            every_step=True,
            causal_only=True,
            source_steps=source,
        )

    def build(self, data: RunData) -> SpanCorruption:
        """The task for one run (UsageError if the text cannot be read or is too short)."""
        from seqablate.tasks.objectives import Classification

        corpus, recipe = self.load(), self.recipe
        self._check_length(corpus)
        names = recipe.names(corpus.vocabulary)
        examples = Examples(corpus, recipe)
        evaluation, test = (examples.targets(split, data) for split in ("evaluation", "test"))
        unigram = examples.unigram(evaluation)
        return SpanCorruption(
            spec=self.traits.sized(input_size=len(names), output_size=len(names) - 1),
            metrics=_metrics(unigram, evaluation),
            baselines={"unigram": unigram},
            test_baselines={"unigram": examples.unigram(test)},
            notes=(unknown_note(corpus), self._sizes()),
            input_names=names,
            target_names=names[:-1],
            examples=examples,
            data=data,
            objective=Classification(),
        )

    def _check_length(self, corpus: Corpus) -> None:
        short = [split for split in SPLITS if len(corpus.ids[split]) < self.length]
        if short:
            raise UsageError(
                f"task.corpus={self.corpus}: too short: its {short[0]} part has {len(corpus.ids[short[0]])} "
                f"{self.unit}, and task.length={self.length}; use a text of at least {HELD_OUT * self.length} "
                f"{self.unit}, or a smaller task.length"
            )

    def _sizes(self) -> str:
        """The note that says what a stretch becomes."""
        source, target = self.recipe.steps
        found = f"{self.length} {self.unit} of text become a source of {source} steps and a target of {target}"
        if self.objective is not Corruption.span_corruption:
            return found
        return f"{found}; {self.recipe.noise} {self.unit} in {self.recipe.spans} spans are missing"


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Sources and targets that are drawn from a text."""

    corpus: Corpus
    recipe: Recipe

    def batch(self, split: str, rng: np.random.Generator, count: int) -> Batch:
        """x [T + S, B] and y [S, B]; the first samples are those of a smaller batch."""
        for_place, for_noise = rng.spawn(2)
        text_BN = stretches(for_place, self.corpus.ids[PARTS[split]], count, self.recipe.length)
        source_BT, target_BS = self.recipe.corrupt(for_noise, text_BN, len(self.corpus.vocabulary))
        start_B1 = np.full((count, 1), len(self.corpus.vocabulary) + self.recipe.spans + 1)
        x_BT = np.concatenate([source_BT, start_B1, target_BS[:, :-1]], 1)
        return Batch(x=np.ascontiguousarray(x_BT.T), y=np.ascontiguousarray(target_BS.T))

    def held_out(self, split: str, data: RunData) -> Iterator[Batch]:
        """The batches of ``"evaluation"`` or ``"test"``."""
        for start in range(0, data.eval_size, EVAL_BATCH):
            count = min(EVAL_BATCH, data.eval_size - start)
            yield self.batch(split, stream(data.eval_seed, split, start), count)

    def targets(self, split: str, data: RunData) -> np.ndarray:
        """Every token that a split asks for."""
        return np.concatenate([batch.y.ravel() for batch in self.held_out(split, data)])

    def unigram(self, targets: np.ndarray) -> float:
        """Perplexity of answering every step by how frequent each token is among training targets.

        Sentinels and ``<end>`` occur once in each target of S steps, so that each has a frequency of 1/S; the rest is
        shared out among the tokens of text as in :func:`seqablate.tasks.ngram.unigram_loss`.
        """
        size, (_, steps) = len(self.corpus.vocabulary), self.recipe.steps
        share = self.recipe.target_text / steps
        text = unigram_loss(self.corpus.ids["train"], targets[targets < size], size) - math.log(share)
        return perplexity(share * text + (1 - share) * math.log(steps))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SpanCorruption(ByObjective):
    """See :class:`seqablate.tasks.base.Task`."""

    spec: TaskSpec
    metrics: tuple[Metric, ...]
    baselines: dict[str, float]
    test_baselines: dict[str, float]
    notes: tuple[str, ...]
    input_names: tuple[str, ...]
    target_names: tuple[str, ...]
    examples: Examples
    data: RunData
    objective: Classification

    @property
    def fingerprint(self) -> str:
        return self.examples.corpus.sha256

    def train_batch(self, step: int) -> Batch:
        return self.examples.batch("train", stream(self.data.seed, "data", step), self.data.batch_size)

    def eval_batches(self, split: str) -> Iterator[Batch]:
        return self.examples.held_out(split, self.data)

    def summarise(self, loss: float, scores: dict[str, float]) -> dict[str, float]:
        return {"loss": loss, "perplexity": perplexity(loss), **scores}

    def solved(self, results: dict[str, float]) -> bool:
        """Never: a text has no place where it is done."""
        return False

    def sample(self, next_logits: NextLogits, rng: np.random.Generator) -> str | None:
        return None


def _metrics(unigram: float, targets: np.ndarray) -> tuple[Metric, ...]:
    headline = Metric(
        name="perplexity",
        chance=unigram,
        goal=None,
        lower_is_better=True,
        unit="perplexity per token of the target, each after the right ones",
        source="frequencies of tokens in training targets",
    )
    accuracy = Metric(
        name="accuracy",
        chance=float(np.bincount(targets).max() / len(targets)),
        goal=None,
        lower_is_better=False,
        unit="share of the target's tokens, each after the right ones",
        source="always the most frequent token",
    )
    return headline, accuracy
