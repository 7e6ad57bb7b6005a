"""What a gradient does on its way back: a verdict on a whole curve of norms, and the straight line through log10.

All comparisons are made in decades (log10 of a norm). ``y[k]`` is log10 of the norm at lag k over the norm at the first
lag that has one, so ``y`` begins at 0 and ``10 ** y`` is what is left of the gradient.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

Verdict = Literal["vanishes", "fades", "reaches", "grows", "explodes", "flat", "irregular", "unknown"]

# Below these norms a total is not to be trusted: the kernels flush subnormal numbers to zero, and a norm is made of
# smaller numbers than itself. A float32 total is right to 1e-5 down to 1e-34, and 0 below 1.2e-38.
FLOORS = {"float32": 1e-34, "float64": 1e-300}
CEILINGS = {"float32": float(np.finfo(np.float32).max), "float64": float(np.finfo(np.float64).max)}

FEWEST = 3  # lags: a shorter curve has no course to describe; also: points that a line is fitted to
BAND = math.log10(2)  # a change by less than this over the whole reach is none: half of it left, or twice as much
SIGMAS = 3.0  # a change counts when it is larger than this many standard deviations of the noise
EXPONENTIAL = 0.3  # decades that an exponential's points may lie off the line (root mean square)
JUMP = 0.5  # decades between the measured change and the line's that an exponential may show
FLAT_NOISE = 0.3  # decades of noise (a factor of 2) above which a curve is not called flat
ROUNDING = 0.001  # decades: what is smaller than 0.2 % is no change, even without any noise
FEW = 8  # lags up to which the neighbours alone say too little of the noise
END = 5  # lags that the level at the end is taken from


@dataclass(frozen=True, kw_only=True)
class Decay:
    """What a lag curve does over its whole length. Every field is plain JSON; None where there is no such number.

    Attributes:
        verdict:
            ``"vanishes"``: it falls below the floor and stays there.
            ``"fades"``: less than half is left at the last lag.
            ``"reaches"``: between half and twice as much is left there.
            ``"grows"``: more than twice as much is there.
            ``"explodes"``: it overflows.
            ``"flat"``: one level with noise on it; no trend and no shape.
            ``"irregular"``: the difference between the ends is within the noise, or rests on the last lag alone; or
            only the last lag has a norm above the floor.
            ``"unknown"``: NaN up to the last lag.
        at: the lag from which it is below the floor (vanishes) or NaN (unknown), or the first that overflows
            (explodes); else None.
        start: the first lag with a finite norm above the floor; everything is measured against its norm.
        reach: lags from ``start`` to the last one with a finite norm above the floor.
        ratio: what is left there, measured: its norm over the one at ``start``.
        factor: multiplication per lag, from the slope of the line; None with fewer than three lags behind ``start``.
        half_life: lags in which the line halves; None unless it falls.
        error: root-mean-square distance of log10(norm) from the line, in decades.
        exponential: whether the line tells the whole story: close to the curve, which is above the floor throughout,
            and in agreement with its end.
        lags: how many lags the line was fitted to.
        low, low_at: the smallest norm from ``start`` to the end of ``reach``, over the one at ``start``, and its lag.
        high, high_at: the largest, likewise.
        hundredth: lags from ``start`` to the first one from which on at most 1 % is left; None where more is left at
            the last lag that is known.
        missing: how many lags in between are NaN.
        floor: norms below it were taken for 0.
    """

    verdict: Verdict
    at: int | None
    start: int
    reach: int
    ratio: float
    factor: float | None
    half_life: float | None
    error: float | None
    exponential: bool
    lags: int
    low: float
    low_at: int
    high: float
    high_at: int
    hundredth: int | None
    missing: int
    floor: float


def fit_decay(lag_curve: np.ndarray, floor: float = FLOORS["float32"]) -> Decay | None:
    """Describe a lag curve: its verdict, its end, and the exponential through it, ``norm[k] ~ a * factor**k``.

    The line leaves the first lag out: there the loss acts through the readout, not through time. (An encoder's first
    known lag lies behind all of its decoder's.) 0 is a value like any other; only NaN is unknown.

    Args:
        lag_curve: [K] gradient norms of one loss step by lag k = 0, 1, ...
        floor: norms below it are taken for 0: one of :data:`FLOORS`, by the dtype of the gradient.

    Returns:
        The description, or None for fewer than three lags.

    Example:
        >>> fit = fit_decay(0.5 ** np.arange(20.0))
        >>> fit.verdict, round(fit.factor, 6), round(fit.half_life, 6)
        ('fades', 0.5, 1.0)
    """
    curve = np.asarray(lag_curve, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(curve))
    first = int(known[0]) if len(known) else 0
    if len(curve) - first < FEWEST:
        return None
    verdict, at = _end_of_range(curve, known, floor)
    used = np.flatnonzero(np.isfinite(curve) & (curve >= floor) & (curve > 0))
    if at is not None:
        used = used[used < at]
    if not len(used):
        return _nothing_in_range(verdict or "vanishes", at, first, floor)
    start, end = int(used[0]), int(used[-1])
    between = curve[start : end + 1]
    y = np.log10(curve[used]) - math.log10(curve[start])
    line = _fit_line(used[1:], y[1:])
    whole = not (between < floor).any()
    verdict = verdict or _judge(used, y, line)
    if verdict == "flat" and not whole:  # what vanishes on the way and comes back is not one level
        verdict = "reaches" if abs(y[-1]) <= BAND else "irregular"
    beyond = None if at is None else (at - start, math.log10(floor) - math.log10(curve[start]))
    low_at, high_at = start + int(np.nanargmin(between)), start + int(np.nanargmax(between))
    return Decay(
        verdict=verdict,
        at=at,
        start=start,
        reach=end - start,
        ratio=_over(curve[end], curve[start]),
        factor=None if line is None else 10.0**line.slope,
        half_life=math.log10(0.5) / line.slope if line is not None and line.slope < 0 else None,
        error=None if line is None else line.rms,
        exponential=whole and line is not None and _is_exponential(line, verdict, end - start, float(y[-1]), beyond),
        lags=0 if line is None else len(used) - 1,
        low=_over(curve[low_at], curve[start]),
        low_at=low_at,
        high=_over(curve[high_at], curve[start]),
        high_at=high_at,
        hundredth=_hundredth(curve[start:]),
        missing=int(np.isnan(between).sum()),
        floor=floor,
    )


def _end_of_range(curve: np.ndarray, known: np.ndarray, floor: float) -> tuple[Verdict | None, int | None]:
    """How a curve leaves the numbers that a dtype has, and from which lag on; (None, None) if it does not."""
    ceiling = CEILINGS["float32" if floor >= FLOORS["float32"] else "float64"]
    if len(over := np.flatnonzero(curve > ceiling)):
        return "explodes", int(over[0])
    if not len(known) or known[-1] < len(curve) - 1:
        return "unknown", int(known[-1]) + 1 if len(known) else 0
    above = known[curve[known] >= floor]
    if not len(above) or above[-1] < known[-1]:
        return "vanishes", int(known[len(above) and np.searchsorted(known, above[-1]) + 1])
    return None, None


def _hundredth(curve: np.ndarray) -> int | None:
    """The first index from which on a curve stays at 1 % of its first value or below it, as far as it is known."""
    known = np.flatnonzero(~np.isnan(curve))
    more = known[curve[known] > 0.01 * curve[0]]
    behind = known[known > more[-1]]
    return int(behind[0]) if len(behind) else None


def _nothing_in_range(verdict: Verdict, at: int | None, first: int, floor: float) -> Decay:
    """Of a curve that is 0, infinite or NaN from its first lag on."""
    return Decay(
        verdict=verdict,
        at=at,
        start=first,
        reach=0,
        ratio=0.0,
        factor=None,
        half_life=None,
        error=None,
        exponential=False,
        lags=0,
        low=0.0,
        low_at=first,
        high=0.0,
        high_at=first,
        hundredth=None,
        missing=0,
        floor=floor,
    )


class _Line(NamedTuple):
    """``y ~ slope * x + ...`` by least squares."""

    slope: float  # decades per lag
    certain: bool  # whether it differs from 0 by more than its standard error allows
    rms: float  # of the residuals
    noise: float  # standard deviation of a residual, two degrees of freedom taken off


def _fit_line(x: np.ndarray, y: np.ndarray) -> _Line | None:
    if len(x) < FEWEST:
        return None
    slope, intercept = np.polyfit(x, y, 1)
    residuals = y - slope * x - intercept
    freedom = len(x) - 2
    noise = math.sqrt(float(residuals @ residuals) / freedom)
    slope_error = noise / math.sqrt(float(((x - x.mean()) ** 2).sum()))
    sigmas = SIGMAS * (1 + 4 / freedom)  # Student's t: few points tell little of the noise
    return _Line(float(slope), abs(slope) > sigmas * slope_error, float(np.sqrt(np.mean(residuals**2))), noise)


def _judge(x: np.ndarray, y: np.ndarray, line: _Line | None) -> Verdict:
    """The verdict on a curve [K] that stays in range: decades ``y`` at the lags ``x``, the first of them 0."""
    change = float(y[-1])
    if len(x) == 1:
        return "irregular"
    if line is None:  # two lags behind the first: nothing is known of the noise
        return "reaches" if abs(change) <= BAND else "fades" if change < 0 else "grows"
    noise = _scatter(y[1:]) if len(x) > FEW else max(_scatter(y[1:]), line.noise)
    certain = SIGMAS * math.sqrt(2) * noise  # of a difference between two lags
    level = _level_at_end(x, y)
    if abs(level - change) > max(BAND, certain):
        return "irregular"
    if abs(change) <= max(BAND, certain) and _is_flat(x, y, line, noise):
        return "flat"
    if abs(change) <= BAND:
        return "reaches"
    trend = line.slope * change > 0 and line.certain
    # The whole second half has changed, and the noise is too small for one high or low first lag to be the reason.
    later = y[len(y) // 2 :]
    lasting = len(y) >= FEW and line.noise <= FLAT_NOISE and min(later * np.sign(change)) > BAND
    if level * change > 0 and (trend or lasting or min(abs(change), abs(level)) > certain):
        return "fades" if change < 0 else "grows"
    return "irregular"


def _scatter(y: np.ndarray) -> float:
    """Standard deviation of white noise on top of a smooth curve, from the differences between neighbours.

    The median keeps a few large steps from counting as noise (1.4826 makes it a standard deviation).
    """
    differences = np.diff(y)
    spread = 1.4826 * float(np.median(np.abs(differences - np.median(differences))))
    return spread / math.sqrt(2)


def _level_at_end(x: np.ndarray, y: np.ndarray) -> float:
    """The value at the last lag by the last few lags: their median, moved along their median slope (Theil and Sen)."""
    x, y = x[-END:], y[-END:]
    i, j = np.triu_indices(len(x), 1)
    slope = np.median((y[j] - y[i]) / (x[j] - x[i]))
    return float(np.median(y + slope * (x[-1] - x)))


def _is_flat(x: np.ndarray, y: np.ndarray, line: _Line, scatter: float) -> bool:
    """Whether the curve, from its first lag on, is one level with noise and nothing else."""
    noise = max(line.noise, ROUNDING)
    drift = abs(line.slope) * float(x[-1] - x[0])
    return bool(
        line.noise <= FLAT_NOISE
        and line.noise <= max(2 * scatter, ROUNDING)  # more: the curve has a shape
        and (not line.certain or drift <= ROUNDING)
        and max(drift, abs(float(np.median(y[1:])))) <= SIGMAS * noise
    )


def _is_exponential(line: _Line, verdict: Verdict, reach: int, change: float, beyond: tuple[int, float] | None) -> bool:
    """Whether the line tells the whole story: close to the curve, and not beside a jump at its beginning or end.

    ``beyond`` is of a curve that vanishes: after so many lags it is below so many decades, and so must the line be.
    """
    close = line.rms <= EXPONENTIAL and abs(change - reach * line.slope) <= min(JUMP, max(abs(change), BAND) / 2)
    if verdict == "vanishes" and beyond is not None:
        lags, decades = beyond
        return close and lags * line.slope <= decades + JUMP
    return close and verdict != "irregular"


def _over(value: float, start: float) -> float:
    """A quotient that stays a number, as JSON wants it."""
    with np.errstate(over="ignore"):
        return float(min(np.float64(value) / start, CEILINGS["float64"]))
