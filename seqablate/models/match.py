"""The hidden size at which a model has a given number of parameters. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from seqablate.errors import UsageError

MOST_TRIES = 100
TOLERANCE = 0.1
SMALLEST = (2, 3, 4)  # sizes from which the others are predicted; a model of one unit is none


def solve_hidden_size(count: Callable[[int], int], target: int, multiple: int = 1) -> int:
    """The size whose count of parameters comes nearest to ``target``.

    Parameter counts are polynomials of second degree in the hidden size for every model here: three of them predict
    the size, and its neighbours are then counted rather than trusted, so any growing count will do.

    Args:
        count: parameters at a hidden size; must grow with it.
        target: how many are wanted.
        multiple: sizes must be multiples of this (of a transformer's number of heads).

    Raises:
        UsageError: no size comes within a tenth of it.

    Example:
        >>> solve_hidden_size(lambda size: size * size + 3 * size, 1000)
        30
    """
    known: dict[int, int] = {}

    def at(units: int) -> int:
        if units not in known:
            if len(known) > MOST_TRIES:
                raise UsageError(f"model.match_params={target}: no hidden size found in {MOST_TRIES} tries")
            known[units] = count(units * multiple)
        return known[units]

    units = _predict([at(k) for k in SMALLEST], target)
    while at(units) < target:
        units += 1
    while units > SMALLEST[0] and at(units - 1) >= target:
        units -= 1
    if units > SMALLEST[0] and target - at(units - 1) <= at(units) - target:
        units -= 1
    if abs(at(units) - target) > TOLERANCE * target:
        raise UsageError(
            f"model.match_params={target}: the nearest, model.hidden_size={units * multiple}, has {at(units)} "
            "parameters: ask for a number that a model of this kind can have"
        )
    return units * multiple


def _predict(counts: list[int], target: int) -> int:
    """Where the parabola through the counts at the smallest sizes reaches the target, rounded down."""
    a, b, c = np.polyfit(SMALLEST, counts, 2)
    roots = np.roots([a, b, c - target]) if abs(a) > 1e-6 else np.array([(target - c) / b])
    return max(SMALLEST[0], int(max(roots.real)))
