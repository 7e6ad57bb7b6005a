"""Flip-flop language: bits are written, ignored and read; the bit that follows a read is the one written last.

Instructions (w write, i ignore, r read) and bits take turns; the last bit is only a target. With 5 instructions::

    input   w 1 i 0 i 0 w 0 r
    target                  0

The first instruction writes and the last one reads. Each of the others ignores with probability p (``ignore``), else it
writes or reads with equal probability. Only the bits after a read have a loss, as in the paper's clean mode: all other
symbols are random. Training has p = 0.8; p = 0.98 asks for longer memory, p = 0.1 has many writes and reads.

Source: Liu et al. 2023, section 3 (256 instructions; recurrent networks make no errors, transformers a few, even after
training).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from seqablate.config.checks import at_least, fraction
from seqablate.config.keys import key
from seqablate.config.metric import accuracy
from seqablate.config.registry import variant
from seqablate.config.task_spec import TaskTraits
from seqablate.tasks.base import NO_TARGET, Batch, RunData
from seqablate.tasks.synthetic import SyntheticTask, time_first

WRITE, IGNORE, READ = 2, 3, 4  # symbols 0 and 1 are bits


@variant("task", "flip_flop")
@dataclass(kw_only=True, slots=True)
class FlipFlopConfig:
    """Flip-flop language: which bit was written last? Others, to be ignored, come between."""

    reference: ClassVar[str] = "Liu et al. 2023, section 3"

    length: int = key(at_least(2), "instructions; a sequence has 2 length - 1 timesteps")
    ignore: float = key(fraction, "probability p of an instruction to ignore; 0.8, 0.98 and 0.1 in the paper")
    shuffle_labels: bool = key("true: train on targets of other sequences (a control)")

    @property
    def traits(self) -> TaskTraits:
        """A bit at each read, which is the next input."""
        steps = 2 * self.length - 1
        return TaskTraits(horizon=steps, length=steps, tokens=True, every_step=True, causal_only=True)

    def build(self, data: RunData) -> SyntheticTask:
        """The task for one run."""
        from seqablate.tasks.objectives import Classification

        return SyntheticTask(
            spec=self.traits.sized(input_size=5, output_size=2),
            metrics=(accuracy(0.5, 0.999, "two bits", "share of reads"),),
            sampler=lambda rng, count: sample_flip_flop(rng, count, self.length, self.ignore),
            objective=Classification(),
            data=data,
            shuffle_labels=self.shuffle_labels,
            input_names=("0", "1", "w", "i", "r"),
        )


def sample_flip_flop(rng: np.random.Generator, count: int, length: int, ignore: float) -> Batch:
    """x [T, B] symbols, y [T, B]: a bit at each read. Of N instructions."""
    of_instructions, of_bits = rng.spawn(2)
    u_NB = time_first(of_instructions.random((count, length)))
    instruction_NB = np.where(u_NB < ignore, IGNORE, np.where(u_NB < (1 + ignore) / 2, WRITE, READ))
    instruction_NB[0], instruction_NB[-1] = WRITE, READ
    bit_NB = time_first(of_bits.integers(0, 2, (count, length)))
    last_write_NB = np.maximum.accumulate(np.where(instruction_NB == WRITE, np.arange(length)[:, None], 0))
    bit_NB = np.where(instruction_NB == READ, np.take_along_axis(bit_NB, last_write_NB, axis=0), bit_NB)
    x_TB = np.stack([instruction_NB, bit_NB], axis=1).reshape(2 * length, count)[:-1]
    y_TB = np.full_like(x_TB, NO_TARGET)
    y_TB[::2] = np.where(instruction_NB == READ, bit_NB, NO_TARGET)
    return Batch(x=x_TB, y=y_TB)
