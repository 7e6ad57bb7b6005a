"""Lag curves and profiles of several runs, ready to be overlaid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seqablate.compare.table import differing_keys, flat_config
from seqablate.figures.curves import Curve
from seqablate.record.run import Run
from seqablate.signals import Signal

MOST_CURVES = 8  # more are averaged over seeds


@dataclass(frozen=True, slots=True)
class Overlay:
    """Curves with the words around them."""

    curves: list[Curve]
    title: str
    xlabel: str
    ylabel: str


WORDS = {
    "lag": ("Lag curve: the gradient of one loss step, dJ(t)/d{s}(t−k)", "lag k (timesteps before the loss)"),
    "total": ("Profile: the gradient of the training loss, dL/d{s}(t)", "timestep t"),
}
NORM = "gradient norm (mean of per-sample norms)"


def overlay(runs: Sequence[Run], quantity: str) -> Overlay | None:
    """The last ``"lag"`` or ``"total"`` curves of every run; None when no run has one.

    A single run shows all its states, layers and directions; several runs show h, which every cell has.
    """
    alone = len(runs) == 1
    measured: dict[str, list[np.ndarray]] = {}
    states = set()
    for run, label in zip(runs, _labels(runs), strict=True):
        for signal in run.last_signals(quantity):
            if alone or signal.state == "h":
                states.add(signal.state)
                measured.setdefault(_name(label, signal, alone), []).append(signal.values)
    if not measured:
        return None
    title, xlabel = WORDS[quantity]
    title = title.format(s="h" if states == {"h"} else "s")
    if any(len(values) > 1 for values in measured.values()):
        title += ", geometric mean over seeds"
    curves = [Curve(label, geometric_mean(values)) for label, values in measured.items()]
    return Overlay(curves, title, xlabel, NORM)


def geometric_mean(curves: Sequence[np.ndarray]) -> np.ndarray:
    """Pointwise geometric mean of curves of any lengths, over those that are known and positive at a point."""
    width = max(map(len, curves))
    log = np.full((len(curves), width), np.nan)
    for row, curve in zip(log, curves, strict=True):
        positive = np.flatnonzero(np.isfinite(curve) & (curve > 0))
        row[positive] = np.log(curve[positive])
    known = ~np.isnan(log)
    count = known.sum(0)
    total = np.where(known, log, 0.0).sum(0)
    mean = np.divide(total, count, out=np.full(width, np.nan), where=count > 0)
    return np.exp(mean)


def _labels(runs: Sequence[Run]) -> list[str]:
    """What tells the runs apart: differing config values, and the seed unless that makes too many curves."""
    keys = differing_keys(runs)
    flats = [flat_config(run.config) for run in runs]
    bare = [" ".join(f"{key}={flat[key]}" for key in keys if key in flat) for flat in flats]
    seeded = [f"{label} seed={run.info['seed']}".strip() for label, run in zip(bare, runs, strict=True)]
    if len(runs) > MOST_CURVES:
        return [label or f"{runs[0].config['model']['name']}, all seeds" for label in bare]
    if len({run.info["seed"] for run in runs}) == 1 and all(bare):
        return bare
    return seeded


def _name(label: str, signal: Signal, alone: bool) -> str:
    if alone:
        return f"s = {signal.label}"
    place = "" if signal.layer == 0 and signal.direction == "forward" else f", {signal.label}"
    return label + place
