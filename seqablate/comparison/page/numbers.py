"""Numbers for JSON: five digits, null for what there is not, and words for what JSON lacks."""

from __future__ import annotations

import math

import numpy as np

DIGITS = 5
Plain = float | str | None


def rounded(values: np.ndarray) -> list[Plain]:
    """The values with five significant digits.

    Example:
        >>> rounded(np.array([1 / 3, 2e-9 / 3, 2.0, np.nan, -np.inf]))
        [0.33333, 6.6667e-10, 2, None, '-inf']
    """
    return [plain(value) for value in values.tolist()]


def plain(value: float) -> Plain:
    """One value: NaN, which is no value, as None; an infinite one as a word; a whole number without a point."""
    if math.isnan(value):
        return None
    if math.isinf(value):
        return str(value)
    short = float(f"{value:.{DIGITS}g}")
    return int(short) if short.is_integer() and abs(short) < 1e5 else short
