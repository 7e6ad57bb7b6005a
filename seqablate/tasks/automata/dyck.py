"""Dyck-(k, m): well-nested brackets of k types, at most m open at once; at each step, the next bracket.

With k = 2, m = 2 and T = 8, the types being ``()`` and ``[]``::

    input   ( [ ] ( ) ) [ ]
    target  [ ] ( ) ) [ ] (

While none is open, the next bracket opens; while m are, it closes; else either with equal probability. All types are as
likely. The loss is that of a language model. What there is to learn over time is which bracket may close: the accuracy
is the share of closing brackets that are rated above all other closing ones.

Hewitt et al. measure instead how often the right closing bracket has more than 80 % of the probability of all closing
ones, also where none follows. Their strings end, with probability 1/2 when none is open; these are beginnings of
strings that never end.

Source: Hewitt et al. 2020, sections 2 and 6 and the published code (k from 2 to 128, m = 3 and 5).
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
from seqablate.errors import UsageError
from seqablate.tasks.base import Batch, RunData
from seqablate.tasks.synthetic import SyntheticTask, eval_streams, time_first


@variant("task", "dyck")
@dataclass(kw_only=True, slots=True)
class DyckConfig:
    """Dyck-(k, m): brackets of several types; which one may close now?"""

    reference: ClassVar[str] = "Hewitt et al. 2020"

    length: int = key(at_least(2), "timesteps T of a sequence")
    types: int = key(at_least(2, 1_000_000), "k, types of brackets")
    depth: int = key(at_least(1, 1_000_000), "m, how many may be open at once")
    shuffle_labels: bool = key("true: train on targets of other sequences (a control)")

    def check_keys(self) -> None:
        if self.length < self.depth:  # then a sequence might have nothing that closes
            raise UsageError(f"task.length={self.length}: must be at least task.depth={self.depth}")

    @property
    def traits(self) -> TaskTraits:
        """A bracket at every step, which is the next input."""
        return TaskTraits(horizon=self.length, length=self.length, tokens=True, every_step=True, causal_only=True)

    def build(self, data: RunData) -> SyntheticTask:
        """The task for one run."""
        from seqablate.tasks.objectives import LastClasses

        names = (*(f"({n}" for n in range(self.types)), *(f"{n})" for n in range(self.types)))
        return SyntheticTask(
            spec=self.traits.sized(input_size=2 * self.types, output_size=2 * self.types),
            metrics=(accuracy(1 / self.types, 0.99, f"one of {self.types} types", "share of closing brackets"),),
            sampler=lambda rng, count: sample_dyck(rng, count, self.length, self.types, self.depth),
            objective=LastClasses(classes=self.types),
            data=data,
            baselines=self.baselines(data, "evaluation"),
            test_baselines=self.baselines(data, "test"),
            shuffle_labels=self.shuffle_labels,
            input_names=names,
            target_names=names,
        )

    def baselines(self, data: RunData, split: str) -> dict[str, float]:
        """The accuracy without memory: what closes the bracket that was just opened, else any type."""
        drawn = (
            sample_dyck(rng, count, self.length, self.types, self.depth) for rng, count in eval_streams(data, split)
        )
        right_N = np.concatenate([right_without_memory(batch, self.types) for batch in drawn])
        return {"without memory": float(right_N.mean())}


def right_without_memory(batch: Batch, types: int) -> np.ndarray:
    """[B]: how often the best answer that sees only the current input is right, of the steps that close."""
    closes_TB = batch.y >= types
    right_TB = np.where(batch.x < types, 1.0, 1 / types)
    right_B: np.ndarray = (right_TB * closes_TB).sum(0) / closes_TB.sum(0)
    return right_B


def sample_dyck(rng: np.random.Generator, count: int, length: int, types: int, depth: int) -> Batch:
    """x [T, B] token ids (opening brackets from 0, closing ones from k), y [T, B] the next one."""
    of_coins, of_types = rng.spawn(2)
    opens_TB, height_TB = _heights(time_first(of_coins.integers(0, 2, (count, length + 1))), depth)
    type_TB = time_first(of_types.integers(0, types, (count, length + 1)))
    closed_TB = np.zeros_like(type_TB)
    t_T1 = np.arange(length + 1)[:, None]
    for level in range(1, depth + 1):  # what closes a bracket of this level closes the last one that was opened there
        opened_TB = np.maximum.accumulate(np.where(opens_TB & (height_TB == level), t_T1, 0))
        closes_TB = ~opens_TB & (height_TB == level - 1)
        closed_TB = np.where(closes_TB, opened_TB, closed_TB)
    tokens_TB = np.where(opens_TB, type_TB, types + np.take_along_axis(type_TB, closed_TB, axis=0))
    return Batch(x=tokens_TB[:-1], y=tokens_TB[1:])


def _heights(coin_TB: np.ndarray, depth: int) -> tuple[np.ndarray, np.ndarray]:
    """Whether each bracket opens, and how many are open after it; a coin of 1 opens where either is possible."""
    height = np.arange(depth + 1)
    after = np.stack([np.where(height == 0, 1, height - 1), np.where(height == depth, depth - 1, height + 1)])
    height_TB = np.empty_like(coin_TB)
    current_B = np.zeros_like(coin_TB[0])
    for t, coin_B in enumerate(coin_TB):
        current_B = after[coin_B, current_B]
        height_TB[t] = current_B
    return np.diff(height_TB, axis=0, prepend=0) > 0, height_TB
