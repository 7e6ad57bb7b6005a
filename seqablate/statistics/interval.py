"""Intervals that cover what they should at small numbers of runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and its confidence interval.

    Attributes:
        estimate: None where there is nothing to estimate from.
        low, high: None where no interval of that level exists, such as one of a median of fewer than 6 values.
        n: how many values, pairs or trials it rests on.
        level: of confidence.
    """

    estimate: float | None
    low: float | None
    high: float | None
    n: int
    level: float = 0.95
