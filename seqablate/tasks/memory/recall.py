"""Associative recall: keys and their values; then a key again, and its value is to be said.

``mqar`` asks for several keys (multi-query associative recall). With two pairs, T = 10 and fillers ``.``::

    input   k3 v8 k5 v6 k5  .  .  . k3  .
    target              v6          v8

Pairs come first, of different keys and different values. Then each key stands once, at an even distance from the pairs:
the 2 g-th step after them with a probability that falls as a power law, g^(a - 1) with a = 0.01. Each filler is any
token.

``h3`` asks for one. With K keys and K values, ``=>`` and T = 10 + 2::

    input   k1 v2 k3 v2 k1 v2 k2 v4 k3 v2  => k1
    target  v2 k3 v2 k1 v2 k2 v4 k3 v2 =>  k1 v2

Keys come again with the same value, and several keys may share one. The model predicts each next token; only the value
after the last key, one that was read before, counts for the accuracy. Its vocabulary is K keys, K values, ``=>`` and
one that stands for a key that was not read, which never occurs here: 10 tokens for K = 4.

Sources: mqar = Arora et al. 2023 (Zoology) and its code, with 64 steps, 4 pairs and a vocabulary of 8,192 in the
smallest setting and 100,000 training sequences; here each batch is fresh. h3 = Fu et al. 2023, section 3.1 (length 20,
vocabulary 10), whose data berlino/seq_icl uses too (there: 5,000 training sequences, read 200 times).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

import numpy as np

from seqablate.config.checks import at_least
from seqablate.config.keys import key
from seqablate.config.metric import accuracy
from seqablate.config.registry import variant
from seqablate.config.task_spec import TaskTraits
from seqablate.errors import UsageError
from seqablate.tasks.base import NO_TARGET, Batch, RunData
from seqablate.tasks.synthetic import SyntheticTask, time_first

POWER = 0.01  # of the law by which mqar's keys come again


class RecallVariant(Enum):
    """Whose associative recall."""

    mqar = "mqar"
    h3 = "h3"


@variant("task", "recall")
@dataclass(kw_only=True, slots=True)
class RecallConfig:
    """Associative recall: a key comes again, what was its value?"""

    reference: ClassVar[str] = "mqar: Arora et al. 2023; h3: Fu et al. 2023, section 3.1"

    length: int = key(
        at_least(2, 1_000_000), "timesteps of a sequence; h3: of its pairs, two each, to which it adds two steps"
    )
    variant: RecallVariant = key("whose version of the task")
    pairs: int = key(at_least(1, 1_000_000), "how many pairs of key and value; mqar only")
    vocab_size: int = key(at_least(6, 1_000_000), "how many tokens, even: half of them keys, half values")
    shuffle_labels: bool = key("true: train on targets of other sequences (a control)")

    def check_keys(self) -> None:
        if self.vocab_size % 2:
            raise UsageError(f"task.vocab_size={self.vocab_size}: must be even")
        if self.variant is RecallVariant.mqar and 4 * self.pairs > self.length:
            raise UsageError(f"task.length={self.length}: task.pairs={self.pairs} needs at least {4 * self.pairs}")
        if self.variant is RecallVariant.mqar and self.vocab_size <= self.length:
            raise UsageError(f"task.vocab_size={self.vocab_size}: must be above task.length={self.length}")

    @property
    def traits(self) -> TaskTraits:
        """mqar: a value at some steps. h3: the next token at every step, which is read at the step after it."""
        h3 = self.variant is RecallVariant.h3
        steps = self.length // 2 * 2 + 2 if h3 else self.length
        return TaskTraits(horizon=steps, length=steps, tokens=True, every_step=True, causal_only=h3)

    def build(self, data: RunData) -> SyntheticTask:
        """The task for one run."""
        from seqablate.tasks.objectives import Classification

        h3 = self.variant is RecallVariant.h3
        answers = (self.vocab_size - 2) // 2 if h3 else self.pairs
        known = f"one of {answers} values" if h3 else f"one of the {answers} values that were read"
        keys = self.vocab_size // 2 - h3
        names = (*(f"k{n}" for n in range(keys)), *(f"v{n}" for n in range(keys)), "=>", ".")
        sampler = sample_h3 if h3 else sample_mqar
        return SyntheticTask(
            spec=self.traits.sized(input_size=self.vocab_size, output_size=self.vocab_size),
            metrics=(accuracy(1 / answers, 0.99, known, "share of values recalled"),),
            sampler=lambda rng, count: sampler(rng, count, self),
            objective=Classification(scored_steps=1 if h3 else None),
            data=data,
            shuffle_labels=self.shuffle_labels,
            input_names=names,
            target_names=names,
        )


def sample_mqar(rng: np.random.Generator, count: int, task: RecallConfig) -> Batch:
    """x [T, B] token ids (keys from 1, values from V/2), y [T, B]: a value where a key comes again."""
    of_keys, of_values, of_places, of_fillers = rng.spawn(4)
    half, read = task.vocab_size // 2, 2 * task.pairs
    keys_PB = 1 + _choice(of_keys, count, half - 1, task.pairs)
    values_PB = half + _choice(of_values, count, half, task.pairs)
    x_TB = time_first(of_fillers.integers(0, task.vocab_size, (count, task.length)))
    x_TB[:read:2], x_TB[1:read:2] = keys_PB, values_PB
    slots = np.arange(1, (task.length - read) // 2 + 1)
    places_PB = read + 2 * _choice(of_places, count, len(slots), task.pairs, slots ** (POWER - 1))
    np.put_along_axis(x_TB, places_PB, keys_PB, axis=0)
    y_TB = np.full_like(x_TB, NO_TARGET)
    np.put_along_axis(y_TB, places_PB, values_PB, axis=0)
    return Batch(x=x_TB, y=y_TB)


def sample_h3(rng: np.random.Generator, count: int, task: RecallConfig) -> Batch:
    """x [T, B] token ids (keys from 0, values, then ``=>``), y [T, B] the next one."""
    of_map, of_keys, of_query = rng.spawn(3)
    keys, pairs, samples = (task.vocab_size - 2) // 2, task.length // 2, np.arange(count)
    value_of_BK = keys + of_map.integers(0, keys, (count, keys))
    key_BP = of_keys.integers(0, keys, (count, pairs))
    read_BK = np.zeros((count, keys), dtype=bool)
    read_BK[samples[:, None], key_BP] = True
    query_B = np.where(read_BK, of_query.random((count, keys)), -1).argmax(1)  # any of those read
    tokens_TB = np.empty((2 * pairs + 3, count), dtype=np.int64)
    tokens_TB[:-3:2], tokens_TB[1:-3:2] = key_BP.T, value_of_BK[samples[:, None], key_BP].T
    tokens_TB[-3], tokens_TB[-2], tokens_TB[-1] = 2 * keys, query_B, value_of_BK[samples, query_B]
    return Batch(x=tokens_TB[:-1], y=tokens_TB[1:])


def _choice(rng: np.random.Generator, count: int, of: int, size: int, weights: np.ndarray | float = 1.0) -> np.ndarray:
    """[size, count]: for each sample ``size`` different numbers below ``of``, drawn one after the other by weight.

    The order of exponential variables of these rates is that of draws without replacement (Efraimidis & Spirakis 2006).
    """
    return time_first((rng.exponential(size=(count, of)) / weights).argsort(1)[:, :size])
