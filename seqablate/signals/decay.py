"""How fast a gradient fades: a straight line through log10(norm) against the lag."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

# Below this a norm says more about float32's smallest numbers than about the model.
SMALLEST = 1e-36
EXPONENTIAL = 0.3  # decades that an exponential's points may lie off the line (root mean square)
JUMP = 0.5  # decades between the measured ratio and the line's that an exponential may show


@dataclass(frozen=True, slots=True)
class Decay:
    """The exponential that a lag curve follows, and how well it does.

    Attributes:
        factor: multiplication per step back in time; below 1 the gradient fades, above 1 it grows.
        half_life: steps until half is left (infinite when ``factor >= 1``).
        error: root-mean-square distance of log10(norm) from the line, in decades; above 0.3 the curve is no
            exponential and ``factor`` only its average slope.
        lags: how many lags the line was fitted to.
        reach: from the first known lag to the last usable one.
        ratio: what is left there, measured: its norm over the first known one.
    """

    factor: float
    half_life: float
    error: float
    lags: int
    reach: int
    ratio: float


def is_exponential(factor: float, error: float, reach: int, ratio: float) -> bool:
    """Whether the line tells the whole story: close to the curve, and not beside a jump at its beginning."""
    return error <= EXPONENTIAL and abs(math.log10(ratio) - reach * math.log10(factor)) <= JUMP


def fit_decay(lag_curve: np.ndarray) -> Decay | None:
    """Fit ``norm[k] ~ a * factor**k`` by least squares on log10, the first known lag left out.

    It is left out because there the loss acts through the readout, not through time. (An encoder's first known lag
    stands behind all of its decoder's.)

    Args:
        lag_curve: [K] gradient norms of one loss step by lag k = 0, 1, ...; NaN and values under 1e-36 are ignored.

    Returns:
        The fit, or None with fewer than three usable lags.

    Example:
        >>> fit = fit_decay(0.5 ** np.arange(20.0))
        >>> round(fit.factor, 6), round(fit.half_life, 6)
        (0.5, 1.0)
    """
    known = np.flatnonzero(np.isfinite(lag_curve))
    first = int(known[0]) if len(known) else 0
    lags = np.arange(len(lag_curve))
    usable = np.isfinite(lag_curve) & (lag_curve > SMALLEST) & (lags > first)
    if usable.sum() < 3:
        return None
    x, y = lags[usable], np.log10(lag_curve[usable])
    slope, intercept = np.polyfit(x, y, 1)
    error = float(np.sqrt(np.mean((slope * x + intercept - y) ** 2)))
    factor = float(10.0**slope)
    half_life = math.log(0.5) / math.log(factor) if factor < 1 else math.inf
    ratio = float(lag_curve[x[-1]] / lag_curve[first]) if lag_curve[first] > 0 else math.nan
    return Decay(factor, half_life, error, lags=int(usable.sum()), reach=int(x[-1]) - first, ratio=ratio)
