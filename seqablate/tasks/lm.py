"""Language modelling: predict the next character or word of a text.

One example at the character level, B = 1, ``bptt`` = 5: of the text ``to be or not``, window 0 is::

    input   t o _ b e
    target  o _ b e _       (_ is a blank; window 1 begins with that blank, in the state that window 0 left)

Training is truncated backpropagation through time: the text is laid out as B contiguous streams, each step takes the
next window of every stream, and the state is carried over without a gradient. Source: Mikolov et al. 2010; windows and
streams as in Zaremba et al. 2014. So ``batch_size`` is a layout of the text: another one trains on other batches.
Likewise ``eval.size`` windows are spread over their whole part of the text.

Shapes: T time (``bptt``), B batch (streams), V vocabulary, W windows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from seqablate.config.checks import at_least
from seqablate.config.keys import key
from seqablate.config.metric import Metric
from seqablate.config.registry import variant
from seqablate.config.task_spec import TaskSpec, TaskTraits
from seqablate.errors import UsageError
from seqablate.tasks.base import Batch, ByObjective, NextLogits, RunData
from seqablate.tasks.corpus import EOS, HELD_OUT, SPLITS, WORD, Corpus, Level, unknown_note
from seqablate.tasks.ngram import bigram_loss, perplexity, unigram_loss
from seqablate.tasks.text_config import TextConfig

if TYPE_CHECKING:
    from seqablate.tasks.objectives import Classification

EVAL_STREAMS = 32  # read side by side in an evaluation: fixed, so that every run predicts the same tokens
LEAST_STREAMS = 4  # so that even a small evaluation covers more than one place of the text
EVAL_WINDOWS = 8  # at least so many windows a stream, if there are enough: the start from a zero state weighs little
SAMPLE_TOKENS = {Level.char: 200, Level.word: 40}


@variant("task", "lm")
@dataclass(kw_only=True, slots=True)
class LmConfig(TextConfig):
    """Language modelling: predict the next character or word of a text."""

    reference: ClassVar[str] = "Mikolov et al. 2010; Zaremba et al. 2014"

    bptt: int = key(at_least(1), "timesteps through which the gradient flows back")

    @property
    def traits(self) -> TaskTraits:
        """The next token at every step; each is the next step's input."""
        return TaskTraits(horizon=self.bptt, tokens=True, every_step=True, carries_state=True, causal_only=True)

    def build(self, data: RunData) -> LanguageModelling:
        """The task for one run (UsageError if the text cannot be read or is too short)."""
        from seqablate.tasks.objectives import Classification

        corpus = self.load()
        self._check_length(corpus, data.batch_size)
        size = len(corpus.vocabulary)
        streams = {"train": Streams.whole(corpus.ids["train"], data.batch_size, self.bptt)}
        for name, split in (("evaluation", "validation"), ("test", "test")):
            streams[name] = Streams.spread(corpus.ids[split], data.eval_size, self.bptt)
        baselines, test_baselines = (_baselines(corpus, streams[name]) for name in ("evaluation", "test"))
        return LanguageModelling(
            spec=self.traits.sized(input_size=size, output_size=size),
            metrics=(_metric(self.level, baselines["unigram"]),),
            baselines=baselines,
            test_baselines=test_baselines,
            notes=(unknown_note(corpus),),
            input_names=corpus.vocabulary,
            target_names=corpus.vocabulary,
            corpus=corpus,
            streams=streams,
            objective=Classification(),
        )

    def _check_length(self, corpus: Corpus, batch_size: int) -> None:
        window = self.bptt + 1  # inputs, and the target of the last
        need = {"train": batch_size * self.bptt + 1, "validation": window, "test": window}
        short = [split for split in SPLITS if len(corpus.ids[split]) < need[split]]
        if short:
            whole = max(math.ceil(need["train"] * HELD_OUT / (HELD_OUT - 2)), HELD_OUT * window)
            raise UsageError(
                f"task.corpus={self.corpus}: too short: its {short[0]} part has {len(corpus.ids[short[0]])} "
                f"{self.unit}, task.bptt={self.bptt} with batch_size={batch_size} needs {need[short[0]]}; "
                f"use a text of at least {whole} {self.unit}, or a smaller task.bptt or batch_size"
            )


@dataclass(frozen=True, slots=True, eq=False)
class Streams:
    """A text as B streams of W windows of T tokens, each contiguous; no token is predicted twice."""

    x_BN: np.ndarray  # N = W T
    y_BN: np.ndarray
    bptt: int

    @classmethod
    def whole(cls, tokens: np.ndarray, count: int, bptt: int) -> Streams:
        """``count`` streams with as many windows as there are, each beginning where the one before it ends."""
        windows = (len(tokens) - 1) // (count * bptt)
        return cls._cut(tokens, np.arange(count) * windows * bptt, windows, bptt)

    @classmethod
    def spread(cls, tokens: np.ndarray, size: int, bptt: int) -> Streams:
        """At most ``size`` windows in all, in streams spread evenly: each in the middle of its share of the text."""
        windows = min(size, (len(tokens) - 1) // bptt)
        count = min(EVAL_STREAMS, max(windows // EVAL_WINDOWS, min(windows, LEAST_STREAMS)))
        each = windows // count
        slack = len(tokens) - 1 - count * each * bptt
        place_B = np.arange(count)
        return cls._cut(tokens, place_B * each * bptt + slack * (2 * place_B + 1) // (2 * count), each, bptt)

    @classmethod
    def _cut(cls, tokens: np.ndarray, start_B: np.ndarray, windows: int, bptt: int) -> Streams:
        place_BN = start_B[:, None] + np.arange(windows * bptt)
        return cls(tokens[place_BN], tokens[place_BN + 1], bptt)

    def __len__(self) -> int:
        """Windows W of a stream."""
        return self.x_BN.shape[1] // self.bptt

    def window(self, number: int) -> Batch:
        """Window ``number``, as x and y [T, B]; the first one starts from a fresh state."""
        cut = slice(number * self.bptt, (number + 1) * self.bptt)
        x_TB, y_TB = (np.ascontiguousarray(ids_BN[:, cut].T, dtype=np.int64) for ids_BN in (self.x_BN, self.y_BN))
        return Batch(x=x_TB, y=y_TB, reset=number == 0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LanguageModelling(ByObjective):
    """See :class:`seqablate.tasks.base.Task`. All runs read the same text in the same order, whatever their seed."""

    spec: TaskSpec
    metrics: tuple[Metric, ...]
    baselines: dict[str, float]
    test_baselines: dict[str, float]
    notes: tuple[str, ...]
    input_names: tuple[str, ...]
    target_names: tuple[str, ...]
    corpus: Corpus
    streams: dict[str, Streams]
    objective: Classification

    @property
    def fingerprint(self) -> str:
        return self.corpus.sha256

    def train_batch(self, step: int) -> Batch:
        streams = self.streams["train"]
        return streams.window(step % len(streams))

    def eval_batches(self, split: str) -> Iterator[Batch]:
        streams = self.streams[split]
        return (streams.window(number) for number in range(len(streams)))

    def summarise(self, loss: float, scores: dict[str, float]) -> dict[str, float]:
        return {"loss": loss, self.metrics[0].name: _in_unit(self.corpus.level, loss), **scores}

    def solved(self, results: dict[str, float]) -> bool:
        """Never: a language model has no place where it is done."""
        return False

    def sample(self, next_logits: NextLogits, rng: np.random.Generator) -> str | None:
        """200 characters or 40 words drawn from the model, starting after a line break.

        If the vocabulary has no line break, the most frequent token is used instead. The first token is not returned.
        """
        token, state, drawn = self.first_token, None, []
        for _ in range(SAMPLE_TOKENS[self.corpus.level]):
            logits_V, state = next_logits(np.array([[token]]), state)
            # The largest of logits + Gumbel noise is a draw from their softmax; NaN logits do no harm here.
            token = int(np.argmax(logits_V + rng.gumbel(size=len(logits_V))))
            drawn.append(token)
        return self.corpus.decode(drawn)

    def tokens(self, text: str) -> list[str]:
        """A text as the corpus is cut into tokens, without blanks around it."""
        return list(text.strip()) if self.corpus.level is Level.char else WORD.findall(text.strip())

    @property
    def first_token(self) -> int:
        """What a text begins after: the end of a line, where the corpus has lines."""
        line_break = "\n" if self.corpus.level is Level.char else EOS
        if line_break in self.corpus.vocabulary:
            return self.corpus.vocabulary.index(line_break)
        return int(np.bincount(self.corpus.ids["train"]).argmax())


def _baselines(corpus: Corpus, streams: Streams) -> dict[str, float]:
    """The losses of models that count the training part, on exactly the tokens that a split predicts."""
    train, size = corpus.ids["train"], len(corpus.vocabulary)
    context, target = streams.x_BN.ravel(), streams.y_BN.ravel()
    return {
        "unigram": _in_unit(corpus.level, unigram_loss(train, target, size)),
        "bigram": _in_unit(corpus.level, bigram_loss(train, context, target, size)),
    }


def _metric(level: Level, unigram: float) -> Metric:
    char = level is Level.char
    return Metric(
        name="bits_per_character" if char else "perplexity",
        chance=unigram,
        goal=None,
        lower_is_better=True,
        unit="bits per character" if char else "perplexity per word",
        source="unigram frequencies of the training part, on the tokens evaluated; bigram: Witten-Bell smoothing",
    )


def _in_unit(level: Level, loss: float) -> float:
    """Nats per token as bits per character or as perplexity."""
    if level is Level.char:
        return loss / math.log(2)
    return perplexity(loss)
