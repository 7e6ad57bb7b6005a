"""Modular sums: a sequence of numbers below m; at the end, their sum modulo m.

``sum`` adds digits from 0 to m - 1. With m = 5, end symbol ``=`` and T = 6::

    input   3 1 4 0 2 =      class 0: 10 modulo 5

``cycle`` walks on a circle of m places: an input is a step back (0), none (1) or a step forward (2)::

    input   2 0 1 0 0 =      class 3: 1 - 1 + 0 - 1 - 1 = -2, modulo 5

Both ask once, at an end symbol, as Deletang et al. do; with every prefix as a target it would be the word problem of a
cyclic group, ``task=state_tracking task.group=Z60``. Their "modular arithmetic" also subtracts and multiplies; ``sum``
is the part of it that Grazzi et al. prove to need eigenvalues beyond the real positive ones (for m > 2, complex ones).

Sources: cycle = Deletang et al. 2023, appendix A.1 (cycle navigation, m = 5); sum = Grazzi et al. 2024, section 4.
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
from seqablate.tasks.base import Batch, RunData
from seqablate.tasks.synthetic import SyntheticTask, one_hot, time_first


class ModularVariant(Enum):
    """What is added up."""

    sum = "sum"
    cycle = "cycle"


@variant("task", "modular")
@dataclass(kw_only=True, slots=True)
class ModularConfig:
    """Modular sums: the sum of all numbers of a sequence, modulo m."""

    reference: ClassVar[str] = "Deletang et al. 2023, appendix A.1; Grazzi et al. 2024"

    length: int = key(at_least(1), "numbers to add; a sequence has one timestep more")
    variant: ModularVariant = key("sum: digits below the modulus; cycle: steps of -1, 0 or 1")
    modulus: int = key(at_least(2, 1_000_000), "m; 5 in the paper")
    shuffle_labels: bool = key("true: train on targets of other sequences (a control)")

    @property
    def traits(self) -> TaskTraits:
        """One class after the last step."""
        return TaskTraits(horizon=self.length + 1, length=self.length + 1)

    def build(self, data: RunData) -> SyntheticTask:
        """The task for one run."""
        from seqablate.tasks.objectives import Classification

        numbers, shift = (3, 1) if self.variant is ModularVariant.cycle else (self.modulus, 0)
        chance = 1 / self.modulus if self.variant is ModularVariant.sum else cycle_chance(self.length, self.modulus)
        return SyntheticTask(
            spec=self.traits.sized(input_size=numbers + 1, output_size=self.modulus),
            metrics=(accuracy(chance, 0.99, f"the likeliest of {self.modulus} classes"),),
            sampler=lambda rng, count: sample_modular(rng, count, self.length, numbers, shift, self.modulus),
            objective=Classification(),
            data=data,
            shuffle_labels=self.shuffle_labels,
            input_names=(*(f"{n - shift:+}" if shift else str(n) for n in range(numbers)), "="),
        )


def sample_modular(rng: np.random.Generator, count: int, length: int, numbers: int, shift: int, modulus: int) -> Batch:
    """x one-hot [T, B, numbers + 1], y [B]: the sum of the numbers, each less ``shift``, modulo ``modulus``."""
    batch = sample_numbers(rng, count, length, numbers, shift, modulus)
    return Batch(x=one_hot(batch.x, numbers + 1), y=batch.y)


def sample_numbers(rng: np.random.Generator, count: int, length: int, numbers: int, shift: int, modulus: int) -> Batch:
    """The same with x [T, B]: the numbers, and ``numbers`` for the end."""
    numbers_TB = time_first(rng.integers(0, numbers, (count, length)))
    end_1B = np.full((1, count), numbers)
    y_B = (numbers_TB.sum(0) - shift * length) % modulus
    return Batch(x=np.concatenate([numbers_TB, end_1B]), y=y_B)


def cycle_chance(length: int, modulus: int) -> float:
    """The probability of the likeliest place on a circle after that many steps of -1, 0 or 1.

    With w = exp(2 pi i k / m), the k-th term of the discrete Fourier transform of one step is (1 + w + 1/w) / 3.
    """
    k = np.arange(modulus)
    after = np.fft.ifft(((1 + 2 * np.cos(2 * np.pi * k / modulus)) / 3) ** length).real
    return float(after.max())
