"""Agreement: the number of a verb whose subject stands before other nouns. With two attractors (``.`` fills up)::

    input    . . the key to the cabinets that the men like      class singular (is, not are)

``supervised`` asks for the number after the last word. ``lm`` is a language model of the same sentences: it predicts
each next word, and is judged, at the last one, by whether the right form of the verb is more probable than its other
form. It reads every sentence from timestep 0 on, behind one end of a sentence, as a text of ``seqablate evaluate`` is
read; the padding behind a shorter one has no loss, so that no step tells where the verb comes::

    input    .   the key to  the cabinets that the men  like . .
    target   the key to  the cabinets that the men like is   (NO_TARGET)

In training sentences modifiers are rare and half of the intervening nouns agree with the subject, as in texts. The
sentences of evaluation and test have 0 to ``attractors`` modifiers in turns, and all of their nouns are attractors, so
that the error can be told by their number (``wrong_0``, ``wrong_1``, ...).

Source: Linzen, Dupoux & Goldberg 2016, sections 3 and 6 (of English Wikipedia; the grammar here is our own).

Shapes: T words, B sentences, V vocabulary.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

import numpy as np

from seqablate.config.checks import at_least
from seqablate.config.keys import key
from seqablate.config.metric import Metric
from seqablate.config.registry import variant
from seqablate.config.task_spec import TaskTraits
from seqablate.streams import stream
from seqablate.tasks.base import NO_TARGET, Batch, RunData
from seqablate.tasks.syntax.grammar import FIRST_VERB, WORDS, from_the_start, sample_sentences, words_before_verb
from seqablate.tasks.synthetic import Sampler, SyntheticTask, eval_streams
from seqablate.text import counted

MOST_ATTRACTORS = 20
COUNTED = 20_000  # training sentences that the n-gram baselines count


class AgreementVariant(Enum):
    """What is learned."""

    supervised = "supervised"
    lm = "lm"


@variant("task", "agreement")
@dataclass(kw_only=True, slots=True)
class AgreementConfig:
    """Agreement: does the verb follow its subject, or the nouns between them?"""

    reference: ClassVar[str] = "Linzen, Dupoux & Goldberg 2016"

    variant: AgreementVariant = key("lm: the next word, judged by the two forms of the verb")
    attractors: int = key(at_least(0, MOST_ATTRACTORS), "most nouns of the other number between subject and verb")
    shuffle_labels: bool = key("true: train on targets of other sentences (a control)")

    @property
    def traits(self) -> TaskTraits:
        """One class after the last word, or the next word at every step of sentences of unequal length."""
        steps, lm = words_before_verb(self.attractors), self.variant is AgreementVariant.lm
        return TaskTraits(horizon=steps, length=None if lm else steps, tokens=True, every_step=lm, causal_only=lm)

    def build(self, data: RunData) -> Agreement:
        """The task for one run."""
        from seqablate.tasks.syntax.scores import NumberOfVerb, WordByWord

        lm = self.variant is AgreementVariant.lm
        return Agreement(
            spec=self.traits.sized(input_size=len(WORDS), output_size=len(WORDS) if lm else 2),
            metrics=tuple(_metrics(self.attractors)),
            sampler=lambda rng, count: self.sample(rng, count, opposite_only=False),
            eval_sampler=lambda rng, count: self.sample(rng, count, opposite_only=True),
            objective=(WordByWord if lm else NumberOfVerb)(attractors=self.attractors),
            data=data,
            baselines=baselines(data, "evaluation", self.attractors),
            test_baselines=baselines(data, "test", self.attractors),
            shuffle_labels=self.shuffle_labels,
            input_names=WORDS,
            target_names=WORDS if lm else ("singular", "plural"),
        )

    def sample(self, rng: np.random.Generator, count: int, *, opposite_only: bool) -> Batch:
        """x [T, B]; y [B] (1: plural), or the next words [T, B], the verb being the last one."""
        x_TB, verb_B, _ = sample_sentences(rng, count, self.attractors, opposite_only=opposite_only)
        if self.variant is AgreementVariant.lm:
            x_TB, lengths_B = from_the_start(x_TB)
            return Batch(x=x_TB, y=_next_words(x_TB, lengths_B, verb_B), lengths=lengths_B)
        return Batch(x=np.ascontiguousarray(x_TB), y=_plural(verb_B))


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement(SyntheticTask):
    """See :class:`seqablate.tasks.base.Task`.

    Args:
        eval_sampler: draws the sentences of evaluation and test.
    """

    eval_sampler: Sampler
    first_token: ClassVar[int] = 0  # an end of a sentence

    def tokens(self, text: str) -> list[str]:
        """The words of a text, for a language model."""
        return text.split()

    def eval_batches(self, split: str) -> Iterator[Batch]:
        return (self.eval_sampler(rng, count) for rng, count in eval_streams(self.data, split))

    def summarise(self, loss: float, scores: dict[str, float]) -> dict[str, float]:
        """The errors by attractors are shares of the sentences that have so many; NaN where there are none."""
        of = {name: scores[name.replace("wrong", "share")] for name in scores if name.startswith("wrong_")}
        errors = {name: scores[name] / share if share > 0 else math.nan for name, share in of.items()}
        return {"loss": loss} | {name: scores[name] for name in ("wrong",) if name in scores} | errors


def _metrics(attractors: int) -> Iterator[Metric]:
    """The share of wrong verbs: of all sentences, then of those with 0, 1, 2, ... attractors."""
    source = "singular and plural are equally likely"
    yield Metric(name="wrong", chance=0.5, goal=0.01, lower_is_better=True, unit="share of verbs", source=source)
    for count in range(attractors + 1):
        unit = f"with {counted(count, 'attractor')}"
        yield Metric(name=f"wrong_{count}", chance=0.5, goal=None, lower_is_better=True, unit=unit, source=source)


def baselines(data: RunData, split: str, attractors: int) -> dict[str, float]:
    """The errors of models that ignore the syntax, on the sentences of a split.

    ``majority`` always gives the number that is more frequent in training sentences, ``bigram`` and ``trigram`` that
    which is more frequent behind the last word, or the last two.
    """
    words_TN, verb_N, _ = sample_sentences(stream(0, "agreement/ngrams"), COUNTED, attractors, opposite_only=False)
    drawn = [sample_sentences(rng, count, attractors, opposite_only=True) for rng, count in eval_streams(data, split)]
    asked_TN = np.concatenate([words_TB for words_TB, _, _ in drawn], axis=1)
    plural_N = np.concatenate([_plural(verb_B) for _, verb_B, _ in drawn])
    steps, seen_N = len(words_TN), _plural(verb_N)
    return {
        name: _ngram_error(words_TN[steps - context :], seen_N, asked_TN[steps - context :], plural_N)
        for name, context in (("majority", 0), ("bigram", 1), ("trigram", 2))
    }


def _next_words(x_TB: np.ndarray, lengths_B: np.ndarray, verb_B: np.ndarray) -> np.ndarray:
    """[T, B]: the input of the next step, the verb after a sample's last one, and NO_TARGET behind it."""
    t_T1 = np.arange(len(x_TB))[:, None]
    following_TB = np.where(t_T1 < lengths_B - 1, np.roll(x_TB, -1, axis=0), NO_TARGET)
    return np.where(t_T1 == lengths_B - 1, verb_B, following_TB)


def _plural(verb_B: np.ndarray) -> np.ndarray:
    return (verb_B - FIRST_VERB) % 2


def _ngram_error(seen_CN: np.ndarray, plural_N: np.ndarray, asked_CM: np.ndarray, plural_M: np.ndarray) -> float:
    """How often the number that was more frequent after the last C words is wrong; after unseen ones it is singular."""
    votes: Counter[tuple[int, ...]] = Counter()
    for context, plural in zip(seen_CN.T.tolist(), plural_N.tolist(), strict=True):
        votes[tuple(context)] += 2 * plural - 1
    guess_M = np.array([votes[tuple(context)] > 0 for context in asked_CM.T.tolist()])
    return float((guess_M != plural_M).mean())
