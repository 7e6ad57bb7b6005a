"""State tracking: a sequence of elements of a group; at each step, their product so far (the group's word problem).

With S3, the orders of three things, element number 1 exchanging the last two of them and number 3 moving all by one
(the first order, 0 1 2, is number 0 and changes nothing)::

    input   1 1 3 3 1
    target  1 0 3 4 2

Elements of S3 and S5 are all permutations of 3 or 5 things, in alphabetical order; those of A5 the even ones of S5. The
product of p and then q takes thing i to q[p[i]]. Z60 adds modulo 60, A4xZ5 is pairs. A5, A4xZ5 and Z60 each have 60
elements: A5 is not solvable, and then the word problem is complete for NC1 (Barrington 1989), so that transformers and
linear recurrences of fixed depth are not expected to solve it at every length; for the other two it is easier.

Source: Merrill et al. 2024, section 6 and the published code, which draws sequences the same way, with a target at each
step and a symbol in front that is left out here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cache
from itertools import permutations
from typing import ClassVar

import numpy as np

from seqablate.config.checks import at_least
from seqablate.config.keys import key
from seqablate.config.metric import accuracy
from seqablate.config.registry import variant
from seqablate.config.task_spec import TaskTraits
from seqablate.tasks.base import Batch, RunData
from seqablate.tasks.synthetic import SyntheticTask, time_first


class Group(Enum):
    """Whose elements are multiplied."""

    S3 = "S3"
    S5 = "S5"
    A5 = "A5"
    A4xZ5 = "A4xZ5"
    Z60 = "Z60"


@variant("task", "state_tracking")
@dataclass(kw_only=True, slots=True)
class StateTrackingConfig:
    """State tracking: the product so far of a sequence of elements of a group (a word problem)."""

    reference: ClassVar[str] = "Merrill et al. 2024, section 6"

    length: int = key(at_least(1), "timesteps T of a sequence")
    group: Group = key("whose elements are multiplied")
    shuffle_labels: bool = key("true: train on targets of other sequences (a control)")

    @property
    def traits(self) -> TaskTraits:
        """An element at every step."""
        return TaskTraits(horizon=self.length, length=self.length, tokens=True, every_step=True)

    def build(self, data: RunData) -> SyntheticTask:
        """The task for one run."""
        from seqablate.tasks.objectives import Classification

        size = len(product_table(self.group))
        return SyntheticTask(
            spec=self.traits.sized(input_size=size, output_size=size),
            metrics=(accuracy(1 / size, 0.99, f"one of {size} elements, each as likely", "share of steps"),),
            sampler=lambda rng, count: sample_products(rng, count, self.length, product_table(self.group)),
            objective=Classification(),
            data=data,
            baselines=(without_memory := {"without memory": (1 + (self.length - 1) / size) / self.length}),
            test_baselines=without_memory,
            shuffle_labels=self.shuffle_labels,
        )


def sample_products(rng: np.random.Generator, count: int, length: int, table_GG: np.ndarray) -> Batch:
    """x [T, B] element numbers, y [T, B] those of the products so far."""
    x_TB = time_first(rng.integers(0, len(table_GG), (count, length)))
    y_TB = x_TB.copy()
    for t in range(1, length):
        y_TB[t] = table_GG[y_TB[t - 1], x_TB[t]]
    return Batch(x=x_TB, y=y_TB)


@cache
def product_table(group: Group) -> np.ndarray:
    """[G, G]: the number of the product of two elements, by their numbers; the first element changes nothing."""
    if group is Group.Z60:
        return _cyclic(60)
    if group is Group.A4xZ5:
        return _pairs(_of_permutations(_even(4)), _cyclic(5))
    return _of_permutations(_even(5) if group is Group.A5 else list(permutations(range(int(group.value[1])))))


def _of_permutations(elements: list[tuple[int, ...]]) -> np.ndarray:
    number = {element: n for n, element in enumerate(elements)}
    return np.array([[number[tuple(q[i] for i in p)] for q in elements] for p in elements])


def _even(things: int) -> list[tuple[int, ...]]:
    """Permutations with an even number of pairs in the wrong order."""
    return [
        p for p in permutations(range(things)) if sum(p[i] > p[j] for j in range(things) for i in range(j)) % 2 == 0
    ]


def _cyclic(size: int) -> np.ndarray:
    return np.add.outer(np.arange(size), np.arange(size)) % size


def _pairs(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Of the direct product; the pair of numbers a and b has the number a * (size of the second) + b."""
    size = len(second)
    return np.kron(first * size, np.ones_like(second)) + np.tile(second, (len(first), len(first)))
