"""Numbers and small pictures in words; pure functions of numbers."""

from __future__ import annotations

import math

import numpy as np

BLOCKS = "▁▂▃▄▅▆▇█"
INFINITY = "∞"
LEAST_SPAN = 2.0  # decades from the lowest block to the highest, so that a flat curve looks flat


def number(value: float | None) -> str:
    """Three significant digits, plain where that is short: ``0.167``, ``3.7e-23``, ``1250``, ``NaN``, ``inf``."""
    if value is None:
        return "–"
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return str(value)
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return f"{value:.1e}"


def apart(value: float | None, goal: float | None) -> str:
    """A number that is not rounded to the goal when it is not equal to it."""
    if value is None or goal is None or value == goal or number(value) != number(goal):
        return number(value)
    return next((text for digits in range(4, 17) if float(text := f"{value:.{digits}g}") != goal), number(value))


def result(value: float | None, goal: float | None = None) -> str:
    """A result of several runs: as :func:`apart`, and ``∞`` where it is infinite, as that of a run that diverged is."""
    if value is not None and math.isinf(value):
        return INFINITY if value > 0 else f"-{INFINITY}"
    return apart(value, goal)


def counted(count: int, noun: str) -> str:
    """``1 timestep``, ``2 timesteps``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def percent(share: float | None) -> str:
    """``12 %``, with a decimal below 10 %."""
    if share is None:
        return "–"
    return f"{100 * share:.0f} %" if share == 0 or share >= 0.0995 else f"{100 * share:.1f} %"


def duration(seconds: float) -> str:
    """``7.2 s``, ``3 min 05 s``, ``2 h 10 min``."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def sparkline(values: np.ndarray, width: int = 40) -> str:
    """log10 of a curve of norms as ``width`` blocks, the mean of log10 in each; the blocks span two decades or more.

    A block that holds an infinite value is ``∞``, one that holds NaN ``?``, one that is 0 throughout ``0``.
    """
    cells = [_cell(chunk) for chunk in _chunks(values, width)]
    levels = [cell for cell in cells if isinstance(cell, float)]
    if not levels:
        return "".join(map(str, cells))
    middle = (max(levels) + min(levels)) / 2
    span = max(max(levels) - min(levels), LEAST_SPAN)
    top = len(BLOCKS) - 1
    return "".join(
        cell if isinstance(cell, str) else BLOCKS[round(((cell - middle) / span + 0.5) * top)] for cell in cells
    )


def condense(values: np.ndarray, width: int) -> tuple[float, ...]:
    """At most ``width`` norms that have the sparkline of a longer curve: the geometric mean of each part of it."""
    marks = {"?": math.nan, INFINITY: math.inf, "0": 0.0}
    cells = [_cell(chunk) for chunk in _chunks(values, width)]
    return tuple(marks[cell] if isinstance(cell, str) else 10.0 ** min(cell, 308.0) for cell in cells)


def _chunks(values: np.ndarray, width: int) -> list[np.ndarray]:
    """``width`` parts of equal length, or each value for itself where there are fewer."""
    count = max(1, min(width, len(values)))
    return [chunk for chunk in np.array_split(np.asarray(values, dtype=np.float64), count) if len(chunk)]


def _cell(chunk: np.ndarray) -> float | str:
    """The mean of log10, or the mark of what has none."""
    if np.isnan(chunk).any():
        return "?"
    if np.isinf(chunk).any():
        return INFINITY
    positive = chunk[chunk > 0]
    return float(np.log10(positive).mean()) if len(positive) else "0"


def ratio(value: float) -> str:
    """What is left of a gradient: ``0.09x``, ``1.28x``, ``12x``, ``1.7e-18x``."""
    if not math.isfinite(value):
        return number(value)
    if value == 0 or 0.1 <= value < 10:
        text = f"{value:.2f}".rstrip("0").rstrip(".")
    elif 1e-3 <= value < 1000:
        text = f"{value:.0f}" if value >= 10 else f"{value:.2g}"
    else:
        mantissa, exponent = f"{value:.1e}".split("e")
        text = f"{mantissa.removesuffix('.0')}e{int(exponent)}"
    return f"{text}x"


def rate(factor: float) -> str:
    """A multiplication per step, with two digits of its distance from 1: ``0.5x``, ``0.135x``, ``0.99923x``."""
    if not 0.001 <= factor < 1000:
        return ratio(factor)
    places = 3 if abs(factor - 1) < 1e-9 else min(8, max(3, 1 - math.floor(math.log10(abs(factor - 1)))))
    return f"{factor:.{places}f}".rstrip("0").rstrip(".") + "x"
