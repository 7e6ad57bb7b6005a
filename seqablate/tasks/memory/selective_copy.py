"""Selective copying: symbols at random places among blanks, then the symbols again, in their order.

With blanks ``-``, cues ``:``, three symbols instead of ten and length 5::

    input   - 3 - - 1 7 - - : : :
    target                  3 1 7

In ``task=copy`` the symbols always stand at the first steps: what a model stores can hang on the time alone. Here it
must hang on what is read. Encoding and cues are those of the published code for state-space models, with the alphabet
of ``task=copy``. The papers have 16 symbols of 14 among 4,096 blanks.

Sources: Gu & Dao 2023 (Mamba), sections 3.1 and 4.1.1; Jing et al. 2019 (the denoise task).
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
from seqablate.tasks.base import NO_TARGET, Batch, RunData
from seqablate.tasks.memory.copy import ALPHABET, BLANK, NAMES
from seqablate.tasks.synthetic import SyntheticTask, one_hot, time_first


@variant("task", "selective_copy")
@dataclass(kw_only=True, slots=True)
class SelectiveCopyConfig:
    """Selective copying: symbols at random places among blanks, to be repeated at the end."""

    reference: ClassVar[str] = "Gu & Dao 2023, section 3.1"

    length: int = key(at_least(1), "blanks; a sequence has length + 2 symbols timesteps")
    symbols: int = key(at_least(1, 1_000_000), "how many to remember, each one of 8")
    shuffle_labels: bool = key("true: train on targets of other sequences (a control)")

    @property
    def traits(self) -> TaskTraits:
        """A symbol at each of the last steps; the others have no target."""
        steps = self.length + 2 * self.symbols
        return TaskTraits(horizon=steps, length=steps, every_step=True)

    def build(self, data: RunData) -> SyntheticTask:
        """The task for one run."""
        from seqablate.tasks.objectives import Classification

        return SyntheticTask(
            spec=self.traits.sized(input_size=ALPHABET + 2, output_size=ALPHABET + 1),
            metrics=(accuracy(1 / ALPHABET, 0.999, f"one symbol of {ALPHABET}", "share of symbols"),),
            sampler=self.sample,
            objective=Classification(),
            data=data,
            shuffle_labels=self.shuffle_labels,
            input_names=(*NAMES, ":"),
            target_names=NAMES,
        )

    def sample(self, rng: np.random.Generator, count: int) -> Batch:
        """x one-hot [T, B, 10] (blank, symbols from 1, cue), y [T, B]: from 1 to 8 at the last steps."""
        of_symbols, of_places = rng.spawn(2)
        slots = self.length + self.symbols
        symbols_SB = time_first(of_symbols.integers(1, ALPHABET + 1, (count, self.symbols)))
        places_SB = time_first(
            np.sort(of_places.random((count, slots)).argsort(1)[:, : self.symbols])
        )  # a random choice
        x_TB = np.full((slots + self.symbols, count), BLANK)
        np.put_along_axis(x_TB, places_SB, symbols_SB, axis=0)
        x_TB[slots:] = ALPHABET + 1
        y_TB = np.full_like(x_TB, NO_TARGET)
        y_TB[slots:] = symbols_SB
        return Batch(x=one_hot(x_TB, ALPHABET + 2), y=y_TB)
