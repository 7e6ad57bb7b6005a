"""Noiseless memorization: symbols, a long blank, then the symbols again, without a mistake anywhere.

With blanks ``-``, trigger ``:``, three bits (written a, b) and length 4::

    input   a b b - - - - : - -
    target  - - - - - - - a b b

In the published code of Pascanu et al. the trigger stands at the step of the first answer, in that of Martens &
Sutskever, as in ``task=copy``, one step before. A sequence is right only if each of its steps is, blanks too.

Sources: Hochreiter & Schmidhuber 1997, section 5.2 (long time lags without noise); Martens & Sutskever 2011,
supplement, section 2.5; Pascanu et al. 2013, section 4.1.2: 5 symbols of 2 ("5 bits") and 10 of 5 ("over 20 bits").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from seqablate.config.checks import at_least
from seqablate.config.keys import key
from seqablate.config.metric import Metric, accuracy
from seqablate.config.registry import variant
from seqablate.config.task_spec import TaskTraits
from seqablate.tasks.base import Batch, RunData
from seqablate.tasks.memory.copy import recalled
from seqablate.tasks.synthetic import SyntheticTask, time_first


@variant("task", "memorization")
@dataclass(kw_only=True, slots=True)
class MemorizationConfig:
    """Noiseless memorization: a few symbols to be repeated after a long blank, without any mistake."""

    reference: ClassVar[str] = "Martens & Sutskever 2011, supplement, section 2.5; Pascanu et al. 2013"

    length: int = key(at_least(1), "blanks to wait; a sequence has length + 2 symbols timesteps")
    symbols: int = key(at_least(1, 1_000_000), "how many to remember; 5 and 10 in the paper")
    alphabet: int = key(at_least(2, 1_000_000), "values of a symbol; 2 and 5 in the paper")
    shuffle_labels: bool = key("true: train on targets of other sequences (a control)")

    @property
    def traits(self) -> TaskTraits:
        """A symbol at every step."""
        steps = self.length + 2 * self.symbols
        return TaskTraits(horizon=steps, length=steps, every_step=True)

    def build(self, data: RunData) -> SyntheticTask:
        """The task for one run."""
        from seqablate.tasks.objectives import Classification

        steps, names = self.length + 2 * self.symbols, ("-", *map(str, range(1, self.alphabet + 1)))
        exact = Metric(
            name="exact",
            chance=float(self.alphabet) ** -self.symbols,
            goal=0.99,
            lower_is_better=False,
            unit="share of sequences without a mistake",
            source=f"{self.symbols} times one of {self.alphabet}; goal (under 1 % wrong) as in Pascanu et al. 2013",
        )
        of_steps = accuracy(
            (steps - self.symbols * (1 - 1 / self.alphabet)) / steps, None, "blanks are certain", "share of all steps"
        )
        return SyntheticTask(
            spec=self.traits.sized(input_size=self.alphabet + 2, output_size=self.alphabet + 1),
            metrics=(exact, of_steps),
            sampler=self.sample,
            objective=Classification(exact=True),
            data=data,
            shuffle_labels=self.shuffle_labels,
            input_names=(*names, ":"),
            target_names=names,
        )

    def sample(self, rng: np.random.Generator, count: int) -> Batch:
        """x one-hot [T, B, alphabet + 2] (blank, symbols from 1, trigger), y [T, B] from 0 to alphabet."""
        symbols_SB = time_first(rng.integers(1, self.alphabet + 1, (count, self.symbols)))
        return recalled(symbols_SB, self.length, self.alphabet, cue=self.symbols + self.length)
