"""Results in words and small pictures; pure functions of the run's numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from seqablate.signals.decay import is_exponential
from seqablate.signals.schema import PARTS

BLOCKS = "▁▂▃▄▅▆▇█"
MOST_SENTENCES = 4
FADING, GROWING = 0.999, 1.001  # factors between the two are called neither

# By axis: what is counted, in which direction, and one of them. A reverse direction's steps do not go back in time.
WAYS = {
    "lag": ("step", "back", "step back in time"),
    "path": ("step", "along the reverse direction", "step along the reverse direction"),
    "depth": ("layer", "down", "layer down"),
}


def number(value: float | None) -> str:
    """Three significant digits, plain where that is short: ``0.167``, ``3.7e-23``, ``1250``."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return f"{value:.1e}"


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
    """log10 of a profile as ``width`` blocks (the mean of log10 in each); a space where nothing is known."""
    with np.errstate(divide="ignore", invalid="ignore"):
        log = np.log10(values)
    log[~np.isfinite(log)] = np.nan
    cells = [chunk[~np.isnan(chunk)] for chunk in np.array_split(log, min(width, len(log)))]
    means = [float(chunk.mean()) if len(chunk) else math.nan for chunk in cells]
    known = [m for m in means if not math.isnan(m)]
    if not known:
        return " " * len(means)
    low, span = min(known), max(max(known) - min(known), 1e-9)
    return "".join(" " if math.isnan(m) else BLOCKS[int((m - low) / span * (len(BLOCKS) - 1) + 0.5)] for m in means)


def against(metric: dict[str, Any], value: float | None, baselines: dict[str, float]) -> str:
    """``mse 0.0087 (chance 0.167, goal 0.01)``; a measured baseline says more than chance where there is one."""
    references = {"chance": metric["chance"]} if not baselines else dict(baselines)
    if metric["goal"] is not None:
        references["goal"] = metric["goal"]
    return f"{metric['name']} {number(value)} ({', '.join(f'{k} {number(v)}' for k, v in references.items())})"


def exponential(fit: dict[str, Any]) -> bool:
    """Whether a recorded fit describes its curve (see :func:`seqablate.signals.decay.is_exponential`)."""
    return is_exponential(fit["factor"], fit["error"], fit["reach"], fit["ratio"])


def half_life(fit: dict[str, Any]) -> str:
    """Steps until half is left; ``–`` where nothing fades."""
    return number(fit["half_life"]) if fit["factor"] < FADING else "–"


def decay_words(fit: dict[str, Any]) -> str:
    """What a lag curve, over time or over depth, and its fit mean, in a sentence."""
    place = [fit["module"]] if fit["module"] in PARTS else []
    place += [f"layer {fit['layer']}"] if fit["layer"] else []
    place += ["reverse"] if fit["direction"] == "reverse" else []
    what = f"d loss / d {fit['state']}" + (f" ({', '.join(place)})" if place else "")
    unit, back, each = WAYS[fit["axis"]]
    left = f"{fit['reach']} {unit}s {back}: x {number(fit['ratio'])}"
    if not exponential(fit):
        return f"{what}, {left}; not an exponential (average slope: x {fit['factor']:.3f} a {unit}), look at the curve"
    if fit["factor"] > GROWING:
        return f"{what} grows: x {fit['factor']:.3f} for every {each}; {left}"
    if fit["factor"] > FADING:
        return f"{what} neither fades nor grows: x {fit['factor']:.4f} a {unit}; {left}"
    half = f"half is left after {half_life(fit)} {unit}s"
    return f"{what} fades: x {fit['factor']:.3f} for every {each}, {half}; {left}"


def telling(fits: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The fits worth a sentence each: all where they are few, else each part's first and last layer, forward."""
    if len(fits) <= MOST_SENTENCES:
        return fits
    last = {fit["module"]: fit["layer"] for fit in fits}
    return [fit for fit in fits if fit["direction"] == "forward" and fit["layer"] in (0, last[fit["module"]])]


def outcome(info: dict[str, Any]) -> str:
    """The result in one line."""
    metric = info["metric"]
    result = against(metric, (info["final"] or {}).get(metric["name"]), info["baselines"])
    if info["status"] == "diverged":
        return f"diverged: {info['message']}; checkpoints from before it stay"
    if info["status"] == "failed":
        return f"failed: {info['message']}"
    if info["status"] == "interrupted":
        return f"interrupted at step {info['step']}; last evaluation: {result}"
    if info["solved_at"] is not None:
        return f"solved at step {info['solved_at']}: {result}"
    if metric["goal"] is None:
        return f"done after {info['step']} steps: {result}"
    return f"not solved within {info['step']} steps: {result}"
