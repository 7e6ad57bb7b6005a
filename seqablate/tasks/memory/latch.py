"""Latch: the sign of the first input, after noise. One real input; with T = 6 and one informative step::

    input  1.0  0.31 -0.52  0.08 -0.44  0.67      class 1

Class 1 begins with 1.0 and class 0 with -1.0, at each of the first ``signal`` steps. All later inputs are Gaussian
noise of mean 0 and variance 0.2, the standard deviation of which is 0.45. The task is so simple that drawing the
weights at random until they solve it is quicker than learning (Hochreiter & Schmidhuber 1997, section 5.3).

Encoding and lengths are those of Hochreiter & Schmidhuber's task 3a, with a class in place of their target 1.0 or 0.0
(which is right with an error below 0.2). Bengio et al. let the model learn its informative inputs, and use shorter
sequences too.

Sources: Bengio et al. 1994, section II (the two-sequence problem); Hochreiter & Schmidhuber 1997, section 5.3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from seqablate.config.checks import at_least
from seqablate.config.keys import key
from seqablate.config.metric import accuracy
from seqablate.config.registry import variant
from seqablate.config.task_spec import TaskTraits
from seqablate.errors import UsageError
from seqablate.tasks.base import Batch, RunData
from seqablate.tasks.synthetic import SyntheticTask, time_first

NOISE = math.sqrt(0.2)  # standard deviation


@variant("task", "latch")
@dataclass(kw_only=True, slots=True)
class LatchConfig:
    """Latch: the sign of the first input, to be kept while noise follows."""

    reference: ClassVar[str] = "Bengio et al. 1994, section II; Hochreiter & Schmidhuber 1997, section 5.3"

    length: int = key(at_least(2), "timesteps T of a sequence, each drawn from T to 1.1 T")
    signal: int = key(at_least(1), "how many steps at the beginning tell the class; 1 and 3 in the paper")
    shuffle_labels: bool = key("true: train on targets of other sequences (a control)")

    def check_keys(self) -> None:
        if self.signal >= self.length:
            raise UsageError(f"task.signal={self.signal}: must be below task.length={self.length}")

    @property
    def traits(self) -> TaskTraits:
        """One class after the last step."""
        return TaskTraits(horizon=int(1.1 * self.length))

    def build(self, data: RunData) -> SyntheticTask:
        """The task for one run."""
        from seqablate.tasks.objectives import Classification

        return SyntheticTask(
            spec=self.traits.sized(input_size=1, output_size=2),
            metrics=(accuracy(0.5, 0.99, "two classes; goal: under 1 % wrong"),),
            sampler=lambda rng, count: sample_latch(rng, count, self.length, self.signal),
            objective=Classification(),
            data=data,
            shuffle_labels=self.shuffle_labels,
            input_names=("value",),
        )


def sample_latch(rng: np.random.Generator, count: int, length: int, signal: int) -> Batch:
    """x [T, B, 1], y [B]."""
    of_length, of_class, noise = rng.spawn(3)
    top = int(1.1 * length)
    lengths = of_length.integers(length, top + 1, count)
    x_TB = time_first(noise.normal(0, NOISE, (count, top)))[: lengths.max()].astype(np.float32)
    y_B = of_class.integers(0, 2, count)
    x_TB[:signal] = 2 * y_B - 1
    x_TB[np.arange(len(x_TB))[:, None] >= lengths] = 0
    return Batch(x=x_TB[..., None], y=y_B, lengths=lengths)
