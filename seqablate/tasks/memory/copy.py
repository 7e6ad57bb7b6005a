"""Copying memory: ten symbols, a long blank, then the ten symbols again.

With blanks ``-`` and delimiter ``:``, four symbols instead of ten and length 5::

    input   3 1 7 7 - - - - : - - - -
    target  - - - - - - - - - 3 1 7 7      (T blanks to produce after the symbols, then the symbols)

Source: Arjovsky et al. 2016, section 5.1 (after Hochreiter & Schmidhuber 1997).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

import numpy as np

from seqablate.config.checks import at_least
from seqablate.config.keys import key
from seqablate.config.metric import Metric
from seqablate.config.registry import variant
from seqablate.config.task_spec import TaskTraits
from seqablate.tasks.base import Batch, RunData
from seqablate.tasks.synthetic import SyntheticTask, one_hot, time_first

SYMBOLS = 10  # to remember
ALPHABET = 8  # values of a symbol: 1..8
BLANK = 0
NAMES = ("-", *map(str, range(1, ALPHABET + 1)))


class CopyVariant(Enum):
    """Which paper's copying problem."""

    arjovsky = "arjovsky"


@variant("task", "copy")
@dataclass(kw_only=True, slots=True)
class CopyConfig:
    """Copying memory: 10 symbols to be repeated after a long blank."""

    reference: ClassVar[str] = "Arjovsky et al. 2016, after Hochreiter & Schmidhuber 1997"

    length: int = key(at_least(1), "blanks to wait; a sequence has length + 20 timesteps")
    variant: CopyVariant = key("whose version of the task")
    shuffle_labels: bool = key("true: train on targets of other sequences (a control)")

    @property
    def traits(self) -> TaskTraits:
        """A symbol at every step."""
        steps = self.length + 2 * SYMBOLS
        return TaskTraits(horizon=steps, length=steps, every_step=True)

    def build(self, data: RunData) -> SyntheticTask:
        """The task for one run."""
        from seqablate.tasks.objectives import Classification

        # Without memory: blanks are certain, and each of the ten symbols is one of eight.
        memoryless = SYMBOLS * math.log(ALPHABET) / (self.length + 2 * SYMBOLS)
        loss = Metric(
            name="loss",
            chance=memoryless,
            goal=0.1 * memoryless,
            lower_is_better=True,
            unit="nats per step",
            source="10 ln 8 / (T + 20), Arjovsky et al. 2016; goal: a tenth of it",
        )
        accuracy = Metric(
            name="accuracy",
            chance=1 / ALPHABET,
            goal=None,
            lower_is_better=False,
            unit="share of the 10 symbols recalled",
            source="one symbol of eight",
        )
        return SyntheticTask(
            spec=self.traits.sized(input_size=ALPHABET + 2, output_size=ALPHABET + 1),
            metrics=(loss, accuracy),
            sampler=lambda rng, count: sample_copy(rng, count, self.length),
            objective=Classification(scored_steps=SYMBOLS),
            data=data,
            input_names=(*NAMES, ":"),
            target_names=NAMES,
            shuffle_labels=self.shuffle_labels,
        )


def sample_copy(rng: np.random.Generator, count: int, length: int) -> Batch:
    """x one-hot [T + 20, B, 10] (blank, symbols 1..8, delimiter), y [T + 20, B] in 0..8."""
    symbols_SB = time_first(rng.integers(1, ALPHABET + 1, (count, SYMBOLS)))
    return recalled(symbols_SB, length, ALPHABET, cue=SYMBOLS + length - 1)


def recalled(symbols_SB: np.ndarray, length: int, alphabet: int, cue: int) -> Batch:
    """Symbols, a wait of ``length``, the symbols again: x one-hot [T + 2 S, B, alphabet + 2], y [T + 2 S, B].

    Args:
        symbols_SB: the symbols, from 1 to ``alphabet``.
        cue: the step at which the delimiter (the last input) stands.
    """
    symbols = len(symbols_SB)
    x_TB = np.full((length + 2 * symbols, symbols_SB.shape[1]), BLANK)
    x_TB[:symbols] = symbols_SB
    x_TB[cue] = alphabet + 1
    y_TB = np.full_like(x_TB, BLANK)
    y_TB[-symbols:] = symbols_SB
    return Batch(x=one_hot(x_TB, alphabet + 2), y=y_TB)
