"""Lag curves and profiles of several runs, ready to be overlaid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seqablate.compare.table import differing_keys
from seqablate.config.flat import flat_config
from seqablate.figures.curves import Curve
from seqablate.record.run import Run
from seqablate.signals import Signal
from seqablate.signals.views import View, last_shown, memory_rank

MOST_CURVES = 8  # more are averaged over seeds


@dataclass(frozen=True, slots=True)
class Overlay:
    """Curves with the words around them."""

    curves: list[Curve]
    title: str
    xlabel: str
    ylabel: str


NORM = "gradient norm (mean of per-sample norms)"


def overlay(runs: Sequence[Run], view: View) -> Overlay | None:
    """The last curves of one kind of every run; None when no run has one.

    A single run shows all its states, layers and directions. Several runs show the first layer's memory, one curve a
    run: c of an LSTM, h of the others, an encoder's before its decoder's, as in the table.
    """
    measured: dict[str, list[np.ndarray]] = {}
    for run, label in zip(runs, _labels(runs), strict=True):
        signals = last_shown(view, run.record.signals)
        if len(runs) == 1:
            measured |= {f"s = {signal.label}": [signal.values] for signal in signals}
        elif (signal := headline_signal(signals)) is not None:
            measured.setdefault(f"{label} ({signal.state})", []).append(signal.values)
    if not measured:
        return None
    title = view.title
    if any(len(values) > 1 for values in measured.values()):
        title += ", geometric mean over seeds"
    curves = [Curve(label, geometric_mean(values)) for label, values in measured.items()]
    return Overlay(curves, title, view.xlabel, NORM)


def headline_signal(signals: Sequence[Signal]) -> Signal | None:
    """The first layer's memory in the forward direction: its cell state where there is one, else h."""
    found = [signal for signal in signals if signal.layer == 0 and signal.direction == "forward"]
    return max(found, key=lambda signal: memory_rank(signal.module, signal.state), default=None)


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
    groups = [key for key, value in runs[0].config.items() if isinstance(value, dict)]
    bare = []
    for run in runs:
        flat = flat_config(run.config)
        bare.append(" ".join(str(flat[key]) if key in groups else f"{key}={flat[key]}" for key in keys if key in flat))
    if len(runs) > MOST_CURVES:
        return [label or f"{runs[0].config['model']['name']}, all seeds" for label in bare]
    seeds = len({run.info["seed"] for run in runs}) > 1
    labels = [
        f"{label} seed={run.info['seed']}".strip() if seeds else label for label, run in zip(bare, runs, strict=True)
    ]
    return labels if len(set(labels)) == len(labels) else [run.name for run in runs]
