"""Reverse: read a source of n symbols, then write them in reverse order: the smallest transduction.

Source, delimiter ``:`` and the targets so far stand in one sequence of 2 n steps (teacher forcing), so that a decoder
is told each right answer before it gives the next. With n = 3::

    input   b c a : a c
    target        a c b      (of the last n steps only)

Targets are independent of one another: only the source tells them. The last symbol read is written first, over a lag
of 1; the first is written last, over a lag of 2 n - 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seqablate.config.checks import at_least
from seqablate.config.keys import key
from seqablate.config.metric import Metric
from seqablate.config.registry import variant
from seqablate.config.task_spec import TaskTraits
from seqablate.tasks.base import Batch, RunData
from seqablate.tasks.synthetic import SyntheticTask


@variant("task", "reverse")
@dataclass(kw_only=True, slots=True)
class ReverseConfig:
    """Reverse: read a source of symbols, then write it back to front (transduction with teacher forcing)."""

    length: int = key(at_least(1), "symbols of the source; a sequence has twice as many timesteps")
    symbols: int = key(at_least(2, 1_000_000), "how many different ones")
    shuffle_labels: bool = key("true: train on targets of other sequences (a control)")

    @property
    def traits(self) -> TaskTraits:
        """A symbol at each of the last n steps, every one of them the next step's input."""
        steps = 2 * self.length
        return TaskTraits(
            horizon=steps, length=steps, tokens=True, every_step=True, causal_only=True, source_steps=self.length
        )

    def build(self, data: RunData) -> SyntheticTask:
        """The task for one run."""
        from seqablate.tasks.objectives import Classification

        accuracy = Metric(
            name="accuracy",
            chance=1 / self.symbols,
            goal=0.999,
            lower_is_better=False,
            unit="share of symbols, each after the right ones",
            source=f"one symbol of {self.symbols}",
        )
        # A decoder that reads its own answers (greedy decoding) gets exactly the same sequences right: up to the first
        # mistake its own answers are the right ones, so that it makes the same first mistake, or none.
        exact = Metric(
            name="exact",
            chance=float(self.symbols) ** -self.length,
            goal=None,
            lower_is_better=False,
            unit="share of sequences without a mistake",
            source=f"{self.length} times one symbol of {self.symbols}; teacher-forced and greedy decoding agree on it",
        )
        return SyntheticTask(
            spec=self.traits.sized(input_size=self.symbols + 1, output_size=self.symbols),
            metrics=(accuracy, exact),
            sampler=lambda rng, count: sample_reverse(rng, count, self.length, self.symbols),
            objective=Classification(exact=True),
            data=data,
            input_names=(*map(str, range(self.symbols)), ":"),
            shuffle_labels=self.shuffle_labels,
        )


def sample_reverse(rng: np.random.Generator, count: int, length: int, symbols: int) -> Batch:
    """x [2 n, B] token ids (symbols from 0, the delimiter is the last id), y [n, B]."""
    source_SB = rng.integers(0, symbols, (count, length)).T  # sample by sample: more leave the first ones as they are
    y_SB = np.ascontiguousarray(source_SB[::-1])
    delimiter_1B = np.full((1, count), symbols)
    return Batch(x=np.concatenate([source_SB, delimiter_1B, y_SB[:-1]]), y=y_SB)
