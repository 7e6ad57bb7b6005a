"""Adding problem: a sequence of random numbers, two of them marked; at the end, combine the two.

Four published variants, which differ in encoding, positions and target. One example of ``arjovsky``, T = 6::

    value   0.3  0.9  0.1  0.6  0.2  0.5
    marker    0    1    0    0    1    0      target 0.9 + 0.2 = 1.1

Sources: hs97 = Hochreiter & Schmidhuber 1997, task 4; pascanu = Pascanu et al. 2013, supplement; arjovsky = Arjovsky et
al. 2016, section 5.2; tcn = Bai et al. 2018, section 5.2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, NamedTuple

import numpy as np

from seqablate.config.checks import at_least
from seqablate.config.keys import key
from seqablate.config.metric import Metric
from seqablate.config.registry import variant
from seqablate.config.task_spec import TaskTraits
from seqablate.tasks.base import Batch, RunData
from seqablate.tasks.synthetic import SyntheticTask, time_first

Values = Callable[[np.random.Generator, int, int], np.ndarray]  # n sequences of some length: [T, B] float32


class AddingVariant(Enum):
    """Which paper's adding problem."""

    arjovsky = "arjovsky"
    tcn = "tcn"
    pascanu = "pascanu"
    hs97 = "hs97"


@variant("task", "adding")
@dataclass(kw_only=True, slots=True)
class AddingConfig:
    """Adding problem: two marked numbers to be combined at the end."""

    reference: ClassVar[str] = (
        "Hochreiter & Schmidhuber 1997; Pascanu et al. 2013; Arjovsky et al. 2016; Bai et al. 2018"
    )

    length: int = key("timesteps T of a sequence; hs97 and pascanu draw each from T to 1.1 T")
    variant: AddingVariant = key("whose version of the task")
    shuffle_labels: bool = key("true: train on targets of other sequences (a control)")

    def check_keys(self) -> None:
        # hs97 marks one of the first 10 and another of the first T/2 - 1; the others need room for two positions.
        at_least(22 if self.variant is AddingVariant.hs97 else 10)("task.length", self.length)

    @property
    def traits(self) -> TaskTraits:
        """One number after the last step; hs97 and pascanu vary the length."""
        fixed = self.variant in (AddingVariant.arjovsky, AddingVariant.tcn)
        return TaskTraits(
            horizon=self.length if fixed else int(1.1 * self.length), length=self.length if fixed else None
        )

    def build(self, data: RunData) -> SyntheticTask:
        """The task for one run."""
        from seqablate.tasks.objectives import Regression

        sampler, metrics, tolerance = {
            AddingVariant.arjovsky: (sample_arjovsky, SUM_METRICS, 0.1),
            AddingVariant.tcn: (sample_tcn, SUM_METRICS, 0.1),
            AddingVariant.pascanu: (sample_pascanu, PASCANU_METRICS, 0.2),
            AddingVariant.hs97: (sample_hs97, hs97_metrics(self.length), 0.04),
        }[self.variant]
        return SyntheticTask(
            spec=self.traits.sized(input_size=2, output_size=1),
            metrics=metrics,
            input_names=("marker", "value") if self.variant is AddingVariant.pascanu else ("value", "marker"),
            sampler=lambda rng, count: sampler(rng, count, self.length),
            objective=Regression(tolerance),
            data=data,
            shuffle_labels=self.shuffle_labels,
            # Hochreiter & Schmidhuber also require every recent sequence to be within the tolerance.
            also_needed=lambda results: self.variant is not AddingVariant.hs97 or results["wrong"] == 0,
        )


def sample_arjovsky(rng: np.random.Generator, count: int, length: int) -> Batch:
    """Values U[0, 1); one mark in each half; target the sum. x [T, B, (value, marker)]."""
    u_2B, value_TB = _drawn(rng, count, length)
    half = length // 2
    return _summed(value_TB, np.array([[0], [half]]) + _below(np.array([[half], [length - half]]), u_2B))


def sample_tcn(rng: np.random.Generator, count: int, length: int) -> Batch:
    """As arjovsky, but the two marks are any two different positions."""
    u_2B, value_TB = _drawn(rng, count, length)
    first, further = _below(np.array([[length], [length - 1]]), u_2B)
    return _summed(value_TB, np.stack([first, (first + 1 + further) % length]))


def sample_pascanu(rng: np.random.Generator, count: int, length: int) -> Batch:
    """Features (marker, value); length l from [T, 1.1 T), marks in [0, 0.1 l) and [0.1 l, 0.5 l); target the mean."""
    pair = pascanu_pair(rng, count, length, uniform)
    return Batch(x=pair.x, y=(pair.first + pair.second) / 2, lengths=pair.lengths)


def sample_hs97(rng: np.random.Generator, count: int, length: int) -> Batch:
    """Values U[-1, 1), markers -1 at both ends; target 0.5 + (X1 + X2) / 4.

    One mark falls in the first 10 pairs, the other in the first T/2 - 1. If one of them falls on the very first pair,
    the value of that pair is 0.
    """
    of_length, at_first, at_second, values = rng.spawn(4)
    top = int(1.1 * length)
    lengths = of_length.integers(length, top + 1, count)
    first = at_first.integers(0, 10, count)
    # One of the T/2 - 1 first positions other than `first`: draw among one fewer and step over it.
    second = (at_second.random(count) * (lengths // 2 - 2)).astype(np.int64)
    second += second >= first
    value_TB = _padded(2 * uniform(values, count, top) - 1, lengths)
    value_TB[0, (first == 0) | (second == 0)] = 0.0
    batch = _summed(value_TB, np.stack([first, second]))
    samples = np.arange(count)
    for end in (np.zeros(count, dtype=np.int64), lengths - 1):
        unmarked = batch.x[end, samples, 1] == 0
        batch.x[end[unmarked], samples[unmarked], 1] = -1.0
    return Batch(x=batch.x, y=np.float32(0.5) + batch.y / 4, lengths=lengths)


class Pair(NamedTuple):
    """Sequences with two marked values: features x [T, B, I], the two values [B], and the lengths [B]."""

    x: np.ndarray
    first: np.ndarray
    second: np.ndarray
    lengths: np.ndarray


def pascanu_pair(rng: np.random.Generator, count: int, length: int, values: Values) -> Pair:
    """Pascanu's layout, whatever is to be done with the two: features (marker, value), see :func:`sample_pascanu`."""
    of_length, at_first, at_second, of_values = rng.spawn(4)
    stop = max(length + 1, int(1.1 * length))
    lengths = of_length.integers(length, stop, count)
    tenth = lengths // 10
    first = (at_first.random(count) * tenth).astype(np.int64)
    second = tenth + (at_second.random(count) * (lengths // 2 - tenth)).astype(np.int64)
    value_TB, at_2B = _padded(values(of_values, count, stop - 1), lengths), np.stack([first, second])
    value_1, value_2 = value_TB[at_2B, np.arange(count)]
    return Pair(_marked(value_TB, at_2B, marker_first=True), value_1, value_2, lengths)


def uniform(rng: np.random.Generator, count: int, length: int) -> np.ndarray:
    """U[0, 1) [T, B]."""
    return time_first(rng.random((count, length), dtype=np.float32))


def _drawn(rng: np.random.Generator, count: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Two numbers [2, B] that say where the marks are, and the values [T, B], all U[0, 1).

    They are drawn together, sample by sample: to make a generator takes longer than to draw a short sequence.
    """
    drawn_BN = rng.random((count, 2 + length), dtype=np.float32)
    return drawn_BN[:, :2].T, time_first(drawn_BN[:, 2:])


def _below(counts: np.ndarray, u_2B: np.ndarray) -> np.ndarray:
    """For each number of U[0, 1) one of the first so many positions: ``counts`` [2, 1] has one count for each row."""
    exact_2B = counts * u_2B.astype(np.float64)  # in float32 the product could be rounded up to the count
    return exact_2B.astype(np.int64)


def _padded(value_TB: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The first steps, as many as the longest sample has; zero behind the end of each sample."""
    t_T1 = np.arange(lengths.max())[:, None]
    return np.where(t_T1 < lengths, value_TB[: len(t_T1)], np.float32(0))


def _marked(value_TB: np.ndarray, at_2B: np.ndarray, *, marker_first: bool = False) -> np.ndarray:
    """[T, B, (value, marker)], or (marker, value), with marks at two positions of each sample."""
    marker = 0 if marker_first else 1
    x_TBI = np.zeros((*value_TB.shape, 2), value_TB.dtype)
    x_TBI[..., 1 - marker] = value_TB
    x_TBI[at_2B, np.arange(value_TB.shape[1]), marker] = 1.0
    return x_TBI


def _summed(value_TB: np.ndarray, at_2B: np.ndarray) -> Batch:
    first, second = value_TB[at_2B, np.arange(value_TB.shape[1])]
    return Batch(x=_marked(value_TB, at_2B), y=first + second)


# Chance: always answering the mean. With S the sum of two uniforms, Var(X1 + X2) = 1/6 and P(|S - 1| > s) = (1 - s)^2.
SUM_METRICS = (
    Metric(
        name="mse",
        chance=1 / 6,
        goal=0.01,
        lower_is_better=True,
        unit="squared error",
        source="variance of the sum of two U[0, 1); goal as in Arjovsky et al. 2016",
    ),
)
PASCANU_METRICS = (
    Metric(
        name="wrong",
        chance=0.36,
        goal=0.01,
        lower_is_better=True,
        unit="share with squared error above 0.04",
        source="P(|mean of two U[0, 1) - 0.5| > 0.2); goal as in Pascanu et al. 2013",
    ),
    Metric(
        name="mse",
        chance=1 / 24,
        goal=None,
        lower_is_better=True,
        unit="squared error",
        source="variance of the mean of two U[0, 1)",
    ),
)


def hs97_metrics(length: int) -> tuple[Metric, ...]:
    """Chance depends on how often the first pair, whose value is then 0, is one of the two: (1 - p, p) below.

    With l the length of a sequence, the first mark falls on it with probability 1/10, and otherwise the second one with
    probability 1 / (l/2 - 2).
    """
    lengths = np.arange(length, int(1.1 * length) + 1)
    p = 0.1 + 0.9 * float((1 / (lengths // 2 - 2)).mean())
    return (
        Metric(
            name="abs_error",
            chance=((1 - p) * 2 / 3 + p / 2) / 4,
            goal=0.01,
            lower_is_better=True,
            unit="absolute error",
            source="E|X1 + X2| / 4; goal (and no error of 0.04 or more) as in Hochreiter & Schmidhuber 1997",
        ),
        Metric(
            name="mse",
            chance=((1 - p) * 2 / 3 + p / 3) / 16,
            goal=None,
            lower_is_better=True,
            unit="squared error",
            source="Var(X1 + X2) / 16",
        ),
    )
