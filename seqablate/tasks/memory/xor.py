"""XOR problem: a sequence of random bits, two of them marked; at the end, whether these two differ.

With features (marker, bit) and T = 6::

    marker  0  1  0  0  1  0
    bit     1  1  0  1  0  0      class 1: 1 and 0 differ

Neither of the two bits alone says anything of the answer: a model cannot learn one first, as it can with
``temporal_order``. Marks and lengths are those of ``task=adding task.variant=pascanu``. Martens & Sutskever draw the
marks as Hochreiter & Schmidhuber's adding problem does, and do not report that it was solved.

Source: Martens & Sutskever 2011, supplement, section 2.1. Pascanu et al. 2013 leave it out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from seqablate.config.checks import at_least
from seqablate.config.keys import key
from seqablate.config.metric import accuracy
from seqablate.config.registry import variant
from seqablate.config.task_spec import TaskTraits
from seqablate.tasks.base import Batch, RunData
from seqablate.tasks.memory.adding import pascanu_pair
from seqablate.tasks.synthetic import SyntheticTask, time_first


@variant("task", "xor")
@dataclass(kw_only=True, slots=True)
class XorConfig:
    """XOR problem: do two marked bits differ?"""

    reference: ClassVar[str] = "Martens & Sutskever 2011, supplement, section 2.1"

    length: int = key(at_least(10), "timesteps T of a sequence, each drawn from T to 1.1 T")
    shuffle_labels: bool = key("true: train on targets of other sequences (a control)")

    @property
    def traits(self) -> TaskTraits:
        """One class after the last step."""
        return TaskTraits(horizon=int(1.1 * self.length))

    def build(self, data: RunData) -> SyntheticTask:
        """The task for one run."""
        from seqablate.tasks.objectives import Classification

        return SyntheticTask(
            spec=self.traits.sized(input_size=2, output_size=2),
            metrics=(accuracy(0.5, 0.99, "two classes; goal (under 1 % wrong) as for Pascanu et al. 2013's tasks"),),
            sampler=lambda rng, count: sample_xor(rng, count, self.length),
            objective=Classification(),
            data=data,
            shuffle_labels=self.shuffle_labels,
            input_names=("marker", "bit"),
        )


def sample_xor(rng: np.random.Generator, count: int, length: int) -> Batch:
    """x [T, B, (marker, bit)], y [B]."""
    pair = pascanu_pair(rng, count, length, _bits)
    return Batch(x=pair.x, y=(pair.first != pair.second).astype(np.int64), lengths=pair.lengths)


def _bits(rng: np.random.Generator, count: int, length: int) -> np.ndarray:
    return time_first(rng.integers(0, 2, (count, length)).astype(np.float32))
