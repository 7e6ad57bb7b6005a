"""Multiplication problem: a sequence of random numbers, two of them marked; at the end, their product.

With features (marker, value) and T = 6::

    marker    0    1    0    0    1    0
    value   0.3  0.9  0.1  0.6  0.2  0.5      target 0.9 * 0.2 = 0.18

Marks and lengths are those of ``task=adding task.variant=pascanu``. In Hochreiter & Schmidhuber 1997, section 5.5, they
are those of ``hs97``.

Sources: Hochreiter & Schmidhuber 1997, section 5.5; Pascanu et al. 2013, section 4.1.2 and the published code, which
this follows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from seqablate.config.checks import at_least
from seqablate.config.keys import key
from seqablate.config.metric import Metric
from seqablate.config.registry import variant
from seqablate.config.task_spec import TaskTraits
from seqablate.tasks.base import Batch, RunData
from seqablate.tasks.memory.adding import pascanu_pair, uniform
from seqablate.tasks.synthetic import SyntheticTask


@variant("task", "multiplication")
@dataclass(kw_only=True, slots=True)
class MultiplicationConfig:
    """Multiplication problem: the product of two marked numbers, at the end."""

    reference: ClassVar[str] = "Hochreiter & Schmidhuber 1997, section 5.5; Pascanu et al. 2013"

    length: int = key(at_least(10), "timesteps T of a sequence, each drawn from T to 1.1 T")
    shuffle_labels: bool = key("true: train on targets of other sequences (a control)")

    @property
    def traits(self) -> TaskTraits:
        """One number after the last step."""
        return TaskTraits(horizon=int(1.1 * self.length))

    def build(self, data: RunData) -> SyntheticTask:
        """The task for one run."""
        from seqablate.tasks.objectives import Regression

        return SyntheticTask(
            spec=self.traits.sized(input_size=2, output_size=1),
            metrics=METRICS,
            sampler=lambda rng, count: sample_multiplication(rng, count, self.length),
            objective=Regression(0.2),
            data=data,
            shuffle_labels=self.shuffle_labels,
            input_names=("marker", "value"),
        )


def sample_multiplication(rng: np.random.Generator, count: int, length: int) -> Batch:
    """x [T, B, (marker, value)], values U[0, 1); y [B]."""
    pair = pascanu_pair(rng, count, length, uniform)
    return Batch(x=pair.x, y=pair.first * pair.second, lengths=pair.lengths)


# The density of a product of two U[0, 1) is -ln p, highest at 0: of all intervals of width 0.4, [0, 0.4] holds most.
METRICS = (
    Metric(
        name="wrong",
        chance=0.6 - 0.4 * math.log(2.5),
        goal=0.01,
        lower_is_better=True,
        unit="share with squared error above 0.04",
        source="always 0.2 (always the mean, 0.25: 0.39); goal as in Pascanu et al. 2013",
    ),
    Metric(
        name="mse",
        chance=7 / 144,
        goal=None,
        lower_is_better=True,
        unit="squared error",
        source="variance of the product of two U[0, 1)",
    ),
)
