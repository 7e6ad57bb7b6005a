"""Random permutation problem: which of two symbols came first, after a sequence of symbols that say nothing of it?

Of 100 symbols, the first of a sequence is 0 or 1, the others are from 2 to 99, and the symbol that follows is the first
one again. With T = 6::

    input  1 57 8 31 90 14      class 1

As in the published code of Pascanu et al., only the last symbol is to be predicted, as one of 100 classes. Martens &
Sutskever predict the next symbol at each step, of which only the last can be known. In neither is the sequence a
permutation.

Sources: Hochreiter & Schmidhuber 1997, section 5.2; Martens & Sutskever 2011, supplement, section 2.4; Pascanu et al.
2013, section 4.1.2.
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
from seqablate.tasks.synthetic import SyntheticTask, time_first

ALPHABET, FIRST = 100, 2  # symbols, of which the first two begin a sequence


@variant("task", "permutation")
@dataclass(kw_only=True, slots=True)
class PermutationConfig:
    """Random permutation problem: the first symbol again, after others that say nothing."""

    reference: ClassVar[str] = "Martens & Sutskever 2011, supplement, section 2.4; Pascanu et al. 2013"

    length: int = key(at_least(1), "timesteps T of a sequence")
    shuffle_labels: bool = key("true: train on targets of other sequences (a control)")

    @property
    def traits(self) -> TaskTraits:
        """One class after the last step."""
        return TaskTraits(horizon=self.length, length=self.length, tokens=True)

    def build(self, data: RunData) -> SyntheticTask:
        """The task for one run."""
        from seqablate.tasks.objectives import Classification

        return SyntheticTask(
            spec=self.traits.sized(input_size=ALPHABET, output_size=ALPHABET),
            metrics=(
                accuracy(1 / FIRST, 0.99, "one of two symbols; goal (under 1 % wrong) as in Pascanu et al. 2013"),
            ),
            sampler=lambda rng, count: sample_permutation(rng, count, self.length),
            objective=Classification(),
            data=data,
            shuffle_labels=self.shuffle_labels,
        )


def sample_permutation(rng: np.random.Generator, count: int, length: int) -> Batch:
    """x [T, B] token ids, y [B]."""
    of_first, of_others = rng.spawn(2)
    symbols_TB = time_first(of_others.integers(FIRST, ALPHABET, (count, length)))
    symbols_TB[0] = of_first.integers(0, FIRST, count)
    return Batch(x=symbols_TB, y=symbols_TB[0].copy())
