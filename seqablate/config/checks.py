"""Checks of one value, for :func:`seqablate.config.keys.key`. Each takes a key's whole name and its value.

A check raises UsageError with one line: the key, the value, and what would be right.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from seqablate.errors import UsageError, shorten

Check = Callable[[str, Any], None]
LARGEST = 2**63 - 1  # of a 64-bit integer


def at_least(minimum: float, maximum: float = LARGEST) -> Check:
    """Refuses what is below ``minimum`` or above ``maximum``, NaN and infinity.

    Example:
        >>> at_least(1)("steps", 0)
        Traceback (most recent call last):
            ...
        seqablate.errors.UsageError: steps=0: must be at least 1
    """

    def check(key: str, value: float) -> None:
        if not value >= minimum:
            raise UsageError(f"{key}={shorten(value)}: must be at least {minimum}")
        if value > maximum:
            raise UsageError(f"{key}={shorten(value)}: is too large; must be at most {maximum:.0e}")

    return check


def at_most(maximum: int) -> Check:
    """Refuses what is above ``maximum``."""

    def check(key: str, value: int) -> None:
        if value > maximum:
            raise UsageError(f"{key}={shorten(value)}: must be at most {maximum:,}")

    return check


def positive(key: str, value: float) -> None:
    """Refuses zero, negative and non-finite values."""
    if not math.isfinite(value) or value <= 0:
        raise UsageError(f"{key}={value}: must be a positive finite number")


def finite(key: str, value: float) -> None:
    """Refuses NaN and infinity."""
    if not math.isfinite(value):
        raise UsageError(f"{key}={value}: must be a finite number")


def fraction(key: str, value: float) -> None:
    """Refuses what is not in [0, 1)."""
    if not 0 <= value < 1:
        raise UsageError(f"{key}={value}: must be at least 0 and below 1")
