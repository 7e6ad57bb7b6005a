"""Numbers, small pictures and what a decay means, in words; pure functions of numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from seqablate.signals.decay import FLOORS
from seqablate.signals.schema import PARTS

BLOCKS = "▁▂▃▄▅▆▇█"
LEAST_SPAN = 2.0  # decades from the lowest block to the highest, so that a flat curve looks flat
FALLING = ("fades", "vanishes")

# By axis: what is counted, the name of one place on it, and where it leads. A reverse direction's steps do not lead
# back in time.
WAYS = {
    "lag": ("timestep", "lag {}", "back"),
    "path": ("timestep", "path length {}", "through the reverse direction"),
    "depth": ("layer", "layer {} from the top", "down"),
}


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
    count = max(1, min(width, len(values)))
    chunks = np.array_split(np.asarray(values, dtype=np.float64), count)
    cells = [_cell(chunk) for chunk in chunks if len(chunk)]
    levels = [cell for cell in cells if isinstance(cell, float)]
    if not levels:
        return "".join(map(str, cells))
    middle = (max(levels) + min(levels)) / 2
    span = max(max(levels) - min(levels), LEAST_SPAN)
    top = len(BLOCKS) - 1
    return "".join(
        cell if isinstance(cell, str) else BLOCKS[round(((cell - middle) / span + 0.5) * top)] for cell in cells
    )


def _cell(chunk: np.ndarray) -> float | str:
    """The mean of log10, or the mark of what has none."""
    if np.isnan(chunk).any():
        return "?"
    if np.isinf(chunk).any():
        return "∞"
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


def half_life(fit: dict[str, Any]) -> str:
    """Steps in which the gradient halves; ``–`` where it does not, or not at one rate."""
    return number(fit["half_life"]) if fit["verdict"] in FALLING and fit["exponential"] else "–"


def rate_cell(fit: dict[str, Any]) -> str:
    """A fit in one cell of a table: ``0.5x``, ``~0.135x`` where the curve is not exponential, or the verdict alone."""
    if fit["factor"] is None or fit["verdict"] in ("unknown", "irregular", "explodes"):
        return str(fit["verdict"])
    return ("" if fit["exponential"] else "~") + rate(fit["factor"])


def decay_words(fit: dict[str, Any]) -> str:
    """What a lag curve, over time or over depth, does: the verdict, then the number, then how it was got.

    Args:
        fit: the fields of a :class:`seqablate.signals.decay.Decay` with those of its signal's place (``module``,
            ``layer``, ``direction``, ``state``, ``axis``).
    """
    return f"gradient at {_place(fit)} {SENTENCES[fit['verdict']](fit)}{_missing(fit)}"


def _place(fit: dict[str, Any]) -> str:
    """``h``, ``c (layer 1, reverse)``, ``h (encoder)``."""
    place = [fit["module"]] if fit["module"] in PARTS else []
    place += [f"layer {fit['layer']}"] if fit["layer"] else []
    place += ["reverse"] if fit["direction"] == "reverse" else []
    return fit["state"] + (f" ({', '.join(place)})" if place else "")


def _way(fit: dict[str, Any]) -> tuple[str, str, str]:
    return WAYS.get(fit["axis"], WAYS["lag"])


def _unit(fit: dict[str, Any], count: float) -> str:
    return _way(fit)[0] + ("" if count == 1 else "s")


def _at(fit: dict[str, Any], lag: int) -> str:
    """``lag 6``, or over depth ``layer 6 from the top`` (the top is layer 0)."""
    return _way(fit)[1].format(lag)


def _end(fit: dict[str, Any]) -> str:
    """What is left at the end: ``0.09x after 99 timesteps``."""
    start, reach = fit["start"], fit["reach"]
    if not reach:
        return f"{ratio(fit['ratio'])} at {_at(fit, start)}, the only one in {_dtype(fit)}'s range"
    if start:
        return f"{ratio(fit['ratio'])} from {_at(fit, start)} to {_at(fit, start + reach)}"
    return f"{ratio(fit['ratio'])} after {reach} {_unit(fit, reach)}"


def _extremes(fit: dict[str, Any]) -> str:
    """Where the curve leaves the range between its ends by more than a factor of 2."""
    low = fit["low"] < min(1, fit["ratio"]) / 2
    high = fit["high"] > max(1, fit["ratio"]) * 2
    if low and high:
        return f", between {ratio(fit['low'])} and {ratio(fit['high'])} on the way"
    if low:
        return f", with a low of {ratio(fit['low'])} at {_at(fit, fit['low_at'])}"
    return f", with a peak of {ratio(fit['high'])} at {_at(fit, fit['high_at'])}" if high else ""


def _course(fit: dict[str, Any]) -> str:
    """How it got there, in brackets: the rate, or that there is none."""
    unit, factor = _unit(fit, 1), fit["factor"]
    if factor is None:
        return ""
    if not fit["exponential"]:
        return " (not a clean exponential, see the curve)"
    per = f"{rate(factor)} per {unit}"
    lags = math.log(2) / abs(math.log(factor)) if factor > 0 and factor != 1 else math.inf
    if not 1.05 <= lags < fit["reach"]:
        return f" ({per})"
    return f" ({per}, {'halves' if factor < 1 else 'doubles'} every {number(lags)} {_unit(fit, 0)})"


def _missing(fit: dict[str, Any]) -> str:
    count = fit["missing"]
    return f"; not a number (NaN) at {count} lag{'s' * (count > 1)} in between" if count else ""


def _dtype(fit: dict[str, Any]) -> str:
    return "float64" if fit["floor"] < FLOORS["float32"] else "float32"


def _vanishes(fit: dict[str, Any]) -> str:
    if fit["at"] == fit["start"]:
        return f"vanishes: below {_dtype(fit)}'s range at every lag"
    last = f"; {_end(fit)}" if fit["reach"] and not fit["exponential"] else ""
    where = f"below {_dtype(fit)}'s range from {_at(fit, fit['at'])} on"
    return f"vanishes: {where}{last}{_extremes(fit)}{_course(fit)}"


def _explodes(fit: dict[str, Any]) -> str:
    last = f"; {_end(fit)}" if fit["reach"] else ""
    return f"explodes: overflows {_dtype(fit)} at {_at(fit, fit['at'])}{last}{_extremes(fit)}"


def _unknown(fit: dict[str, Any]) -> str:
    if fit["at"] == fit["start"]:
        return "is unknown: not a number (NaN) at every lag"
    last = f"; before that {_end(fit)}{_extremes(fit)}" if fit["reach"] else ""
    return f"is unknown from {_at(fit, fit['at'])} on: not a number (NaN){last}"


def _reaches(fit: dict[str, Any]) -> str:
    return f"reaches all the way {_way(fit)[2]}: {_end(fit)}{_extremes(fit)}"


SENTENCES: dict[str, Callable[[dict[str, Any]], str]] = {
    "vanishes": _vanishes,
    "explodes": _explodes,
    "unknown": _unknown,
    "reaches": _reaches,
    "fades": lambda fit: f"fades: {_end(fit)}{_extremes(fit)}{_course(fit)}",
    "grows": lambda fit: f"grows: {_end(fit)}{_extremes(fit)}{_course(fit)}",
    "flat": lambda fit: f"is flat within noise: {_end(fit)}{_extremes(fit)}",
    "irregular": lambda fit: f"is irregular: {_end(fit)}{_extremes(fit)} (see the curve)",
}
