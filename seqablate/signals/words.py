"""What a decay means, in words."""

from __future__ import annotations

import math
from collections.abc import Callable

from seqablate.signals.decay import FLOORS
from seqablate.signals.fit import Fit
from seqablate.text import counted, number, rate, ratio

FALLING = ("fades", "vanishes")

# By quantity: what is counted, the name of one place on it, and where it leads. A reverse direction's steps do not lead
# back in time.
WAYS = {
    "lag": ("timestep", "lag {}", "back"),
    "path_lag": ("timestep", "path length {}", "through the reverse direction"),
    "depth_lag": ("layer", "layer {} from the top", "down"),
}


def half_life(fit: Fit) -> str:
    """Steps in which the gradient halves; ``–`` where it does not, or not at one rate."""
    return number(fit.half_life) if fit.verdict in FALLING and fit.exponential else "–"


def rate_cell(fit: Fit) -> str:
    """A fit in one cell of a table: ``0.5x``, ``~0.135x`` where the curve is not exponential, or the verdict alone."""
    if fit.factor is None or fit.verdict in ("unknown", "irregular", "explodes"):
        return fit.verdict
    return ("" if fit.exponential else "~") + rate(fit.factor)


def decay_words(fit: Fit) -> str:
    """What a lag curve, over time or over depth, does: the verdict, then the number, then how it was got."""
    return f"gradient at {fit.place.words} {SENTENCES[fit.verdict](fit)}{_missing(fit)}"


def step_counted(fit: Fit) -> str:
    """What a decay is per: ``timestep``, or ``layer`` of a net without timesteps."""
    return _way(fit)[0]


def _way(fit: Fit) -> tuple[str, str, str]:
    return WAYS.get(fit.quantity, WAYS["lag"])


def _unit(fit: Fit, count: float) -> str:
    return _way(fit)[0] + ("" if count == 1 else "s")


def _at(fit: Fit, lag: int | None) -> str:
    """``lag 6``, or over depth ``layer 6 from the top`` (the top is layer 0)."""
    return _way(fit)[1].format(lag)


def _end(fit: Fit) -> str:
    """What is left at the end: ``0.09x after 99 timesteps``."""
    start, reach = fit.start, fit.reach
    if not reach:
        return f"{ratio(fit.ratio)} at {_at(fit, start)}, the only one in {_dtype(fit)}'s range"
    if start:
        return f"{ratio(fit.ratio)} from {_at(fit, start)} to {_at(fit, start + reach)}"
    return f"{ratio(fit.ratio)} after {reach} {_unit(fit, reach)}"


def _extremes(fit: Fit) -> str:
    """Where the curve leaves the range between its ends by more than a factor of 2."""
    low = fit.low < min(1, fit.ratio) / 2
    high = fit.high > max(1, fit.ratio) * 2
    if low and high:
        return f", between {ratio(fit.low)} and {ratio(fit.high)} on the way"
    if low:
        return f", with a low of {ratio(fit.low)} at {_at(fit, fit.low_at)}"
    return f", with a peak of {ratio(fit.high)} at {_at(fit, fit.high_at)}" if high else ""


def _course(fit: Fit) -> str:
    """How it got there, in brackets: the rate, or that there is none."""
    unit, factor = _unit(fit, 1), fit.factor
    if factor is None:
        return ""
    if not fit.exponential:
        return " (not a clean exponential, see the curve)"
    per = f"{rate(factor)} per {unit}"
    lags = math.log(2) / abs(math.log(factor)) if factor > 0 and factor != 1 else math.inf
    if not 1.05 <= lags < fit.reach:
        return f" ({per})"
    return f" ({per}, {'halves' if factor < 1 else 'doubles'} every {number(lags)} {_unit(fit, 0)})"


def _missing(fit: Fit) -> str:
    count = fit.missing
    return f"; not a number (NaN) at {counted(count, 'lag')} in between" if count else ""


def _dtype(fit: Fit) -> str:
    return "float64" if fit.floor < FLOORS["float32"] else "float32"


def _vanishes(fit: Fit) -> str:
    if fit.at == fit.start:
        return f"vanishes: below {_dtype(fit)}'s range at every lag"
    if (fit.start, fit.at, fit.quantity) == (0, 1, "lag"):  # even a steep decay takes several timesteps to get there
        return f"stays at its own timestep, as where no later one reads it: below {_dtype(fit)}'s range from lag 1 on"
    last = f"; {_end(fit)}" if fit.reach and not fit.exponential else ""
    where = f"below {_dtype(fit)}'s range from {_at(fit, fit.at)} on"
    return f"vanishes: {where}{last}{_extremes(fit)}{_course(fit)}"


def _explodes(fit: Fit) -> str:
    last = f"; {_end(fit)}" if fit.reach else ""
    return f"explodes: overflows {_dtype(fit)} at {_at(fit, fit.at)}{last}{_extremes(fit)}"


def _unknown(fit: Fit) -> str:
    if fit.at == fit.start:
        return "is unknown: not a number (NaN) at every lag"
    last = f"; before that {_end(fit)}{_extremes(fit)}" if fit.reach else ""
    return f"is unknown from {_at(fit, fit.at)} on: not a number (NaN){last}"


def _reaches(fit: Fit) -> str:
    return f"reaches all the way {_way(fit)[2]}: {_end(fit)}{_extremes(fit)}"


SENTENCES: dict[str, Callable[[Fit], str]] = {
    "vanishes": _vanishes,
    "explodes": _explodes,
    "unknown": _unknown,
    "reaches": _reaches,
    "fades": lambda fit: f"fades: {_end(fit)}{_extremes(fit)}{_course(fit)}",
    "grows": lambda fit: f"grows: {_end(fit)}{_extremes(fit)}{_course(fit)}",
    "flat": lambda fit: f"is flat within noise: {_end(fit)}{_extremes(fit)}",
    "irregular": lambda fit: f"is irregular: {_end(fit)}{_extremes(fit)} (see the curve)",
}
