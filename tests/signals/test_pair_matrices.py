"""Rows of a pair matrix are the loss steps as they were last measured."""

from __future__ import annotations

import numpy as np

from seqablate.signals import Signal
from seqablate.signals.pairs import last_pairs


def pair(step: int, loss_step: int, values, direction: str = "forward", quantity: str = "pair") -> Signal:
    return Signal(
        step=step, quantity=quantity, module="encoder", layer=1, direction=direction, state="h",
        loss_step=str(loss_step), axis="timestep", values=np.array(values, dtype=float),
    )  # fmt: skip


def test_the_last_known_measurement_is_one_matrix_for_each_direction():
    old = [pair(0, s, [9, 9, 9]) for s in (0, 2, 10)]
    new = [pair(5, s, [s, s + 1, s + 2], way) for s in (0, 2, 10) for way in ("forward", "reverse")]
    diverged = [pair(9, s, [np.nan] * 3) for s in (0, 2, 10)]
    found = last_pairs([*old, *new, pair(7, 0, [1, 1, 1], quantity="lag"), *diverged])
    assert list(found) == ["encoder h layer 1", "encoder h layer 1 reverse"]
    for loss_steps, norms in found.values():
        np.testing.assert_array_equal(loss_steps, [0, 2, 10])
        np.testing.assert_array_equal(norms, [[0, 1, 2], [2, 3, 4], [10, 11, 12]])


def test_without_any_there_is_nothing():
    assert last_pairs([pair(0, 0, [1.0], quantity="total")]) == {}
