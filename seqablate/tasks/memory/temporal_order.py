"""Temporal order: two (or three) special symbols among distractors; at the end, say in which order they came.

With specials X, Y, distractors a-d, ``hs97`` and two symbols::

    E b X c a d Y a B      class XY (of XX, XY, YX, YY)

Sources: hs97 = Hochreiter & Schmidhuber 1997, tasks 6a and 6b; pascanu = Pascanu et al. 2013, supplement.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from itertools import product
from typing import ClassVar

import numpy as np

from seqablate.config.checks import at_least
from seqablate.config.keys import key
from seqablate.config.metric import Metric
from seqablate.config.registry import variant
from seqablate.config.task_spec import TaskTraits
from seqablate.errors import UsageError
from seqablate.tasks.base import Batch, RunData
from seqablate.tasks.synthetic import SyntheticTask, one_hot


class TemporalOrderVariant(Enum):
    """Which paper's encoding and positions."""

    pascanu = "pascanu"
    hs97 = "hs97"


# Where each special symbol falls, as hundredths of the length [from, to): a percentage, to stay in integers.
POSITIONS = {
    (TemporalOrderVariant.pascanu, 2): ((10, 20), (50, 60)),
    (TemporalOrderVariant.pascanu, 3): ((10, 20), (30, 40), (60, 70)),
    (TemporalOrderVariant.hs97, 2): ((10, 20), (50, 60)),
    (TemporalOrderVariant.hs97, 3): ((10, 20), (33, 43), (66, 76)),
}
SPECIALS, DISTRACTORS = 2, 4  # symbols 0, 1 are special, 2..5 distract; hs97 adds 6 = E (start) and 7 = B (end)


def _two_or_three(key: str, value: int) -> None:
    if value not in (2, 3):
        raise UsageError(f"{key}={value}: must be 2 or 3")


@variant("task", "temporal_order")
@dataclass(kw_only=True, slots=True)
class TemporalOrderConfig:
    """Temporal order: in which order did two (or three) symbols appear?"""

    reference: ClassVar[str] = "Hochreiter & Schmidhuber 1997; Pascanu et al. 2013"

    length: int = key(at_least(10), "timesteps T of a sequence; hs97 draws each from T to 1.1 T")
    variant: TemporalOrderVariant = key("whose version of the task")
    symbols: int = key(_two_or_three, "how many relevant symbols: 2 or 3")
    shuffle_labels: bool = key("true: train on targets of other sequences (a control)")

    @property
    def traits(self) -> TaskTraits:
        """One class after the last step; hs97 varies the length."""
        framed = self.variant is TemporalOrderVariant.hs97
        return TaskTraits(
            horizon=int(1.1 * self.length) if framed else self.length, length=None if framed else self.length
        )

    def build(self, data: RunData) -> SyntheticTask:
        """The task for one run."""
        from seqablate.tasks.objectives import Classification

        classes = SPECIALS**self.symbols
        accuracy = Metric(
            name="accuracy",
            chance=1 / classes,
            goal=0.99,
            lower_is_better=False,
            unit="share of sequences",
            source=f"one of {classes} orders; goal (under 1 % wrong) as in Pascanu et al. 2013",
        )
        extra = 2 if self.variant is TemporalOrderVariant.hs97 else 0
        return SyntheticTask(
            spec=self.traits.sized(input_size=SPECIALS + DISTRACTORS + extra, output_size=classes),
            metrics=(accuracy,),
            sampler=self.sample,
            objective=Classification(),
            data=data,
            input_names=tuple("XYabcdEB"),
            target_names=tuple("".join(order) for order in product("XY", repeat=self.symbols)),
            shuffle_labels=self.shuffle_labels,
        )

    def sample(self, rng: np.random.Generator, count: int) -> Batch:
        """x one-hot [T, B, 6 or 8], y [B]: the order read as a binary number, the first symbol the highest digit."""
        framed = self.variant is TemporalOrderVariant.hs97
        top = int(1.1 * self.length) if framed else self.length
        of_length, distractors, specials, places = rng.spawn(4)
        lengths = of_length.integers(self.length, top + 1, count)
        samples, steps = np.arange(count), np.arange(lengths.max())[:, None]
        # Drawn sample by sample, so that more samples leave the first ones as they are.
        x_TB = distractors.integers(SPECIALS, SPECIALS + DISTRACTORS, (count, top)).T[: len(steps)].copy()
        special_BS = specials.integers(0, SPECIALS, (count, self.symbols))
        place_BS = places.random((count, self.symbols))
        y_B = np.zeros(count, dtype=np.int64)
        for s, (low, high) in enumerate(POSITIONS[self.variant, self.symbols]):
            start, stop = lengths * low // 100, lengths * high // 100
            x_TB[start + (place_BS[:, s] * (stop - start)).astype(np.int64), samples] = special_BS[:, s]
            y_B = SPECIALS * y_B + special_BS[:, s]
        if framed:
            x_TB[0], x_TB[lengths - 1, samples] = SPECIALS + DISTRACTORS, SPECIALS + DISTRACTORS + 1
        x_TB[steps >= lengths] = -1
        size = SPECIALS + DISTRACTORS + (2 if framed else 0)
        return Batch(x=one_hot(x_TB, size), y=y_B, lengths=lengths if framed else None)
