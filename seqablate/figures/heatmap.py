"""Gradient norms as a picture: timestep (or layer) against training step, colour for log10."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from seqablate.figures.curves import blank

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_COLUMNS = 400  # more than the pixels can show; thinning keeps a long run's picture quick to draw
DECADES = 12  # the colour bar reaches this far below the largest norm: further down, differences stop mattering


def draw_heatmap(
    norms_ST: np.ndarray, steps_S: np.ndarray, *, title: str, label: str, ylabel: str = "timestep t"
) -> Figure:
    """Draw norms measured at S training steps over T timesteps (or layers).

    Args:
        norms_ST: [S, T] gradient norms; NaN (unknown) and zero stay white.
        steps_S: [S] training steps, increasing.
        title: what is shown, in words.
        label: what the colour means, e.g. ``log10 ‖dL/dh‖``.
        ylabel: what the T rows are.

    Raises:
        ValueError: no training step, or ``steps_S`` and ``norms_ST`` disagree about S.
    """
    if not len(steps_S) or len(steps_S) != len(norms_ST):
        raise ValueError(f"{len(norms_ST)} rows of norms for {len(steps_S)} training steps")
    keep = np.unique(np.linspace(0, len(steps_S) - 1, MOST_COLUMNS).round().astype(int))
    norms_ST, steps_S = norms_ST[keep], np.asarray(steps_S, dtype=float)[keep]
    usable = np.isfinite(norms_ST) & (norms_ST > 0)
    log_TS = np.log10(norms_ST, out=np.full(norms_ST.shape, np.nan), where=usable).T
    top = float(log_TS[usable.T].max()) if usable.any() else 0.0
    bottom = float(log_TS[usable.T].min()) if usable.any() else -1.0

    # Drawn at the end of every run, so its time counts: fixed edges instead of a search for them.
    figure, axes = blank(width=4.8, height=3.0, edges=(0.12, 0.16, 0.93, 0.9))
    axes.grid(False)
    timesteps = np.arange(log_TS.shape[0] + 1) - 0.5
    picture = axes.pcolormesh(
        _edges(steps_S), timesteps, log_TS, cmap="viridis", vmin=max(bottom, top - DECADES), vmax=top, rasterized=True
    )
    figure.colorbar(picture, ax=axes, label=label, extend="min" if bottom < top - DECADES else "neither")
    axes.set(xlabel="training step", ylabel=ylabel)
    axes.set_title(title, loc="left", fontsize="small", fontweight="bold")
    return figure


def _edges(centres: np.ndarray) -> np.ndarray:
    """Borders [S + 1] half-way between neighbours, so that unequal gaps between measurements stay true to scale."""
    if len(centres) == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    middle = (centres[1:] + centres[:-1]) / 2
    return np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])
