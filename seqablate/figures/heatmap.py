"""Gradient norms as a picture: timestep (or layer) against training step, colour for log10."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from seqablate.figures.cells import draw_cells, explanation, log10
from seqablate.figures.curves import blank
from seqablate.figures.words import plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_COLUMNS = 400  # more than the pixels can show; thinning keeps a long run's picture quick to draw
SPAN = (-10.0, 2.0)  # log10 of the norms at the ends of the colours: fixed, so that the pictures of all runs compare


def draw_heatmap(
    norms_ST: np.ndarray, steps_S: np.ndarray, *, title: str, label: str, ylabel: str = "timestep t"
) -> Figure:
    """Draw norms measured at S training steps over T timesteps (or layers), in the same colours for every run.

    Args:
        norms_ST: [S, T] gradient norms; cells of 0, inf and NaN are explained under the picture.
        steps_S: [S] training steps, increasing.
        title: what is shown, in words; the range of training steps is added.
        label: what the colour means, e.g. ``log10 ‖dL/dh‖``.
        ylabel: what the T rows are.

    Raises:
        ValueError: no training step, or ``steps_S`` and ``norms_ST`` disagree about S.
    """
    if not len(steps_S) or len(steps_S) != len(norms_ST):
        raise ValueError(f"{len(norms_ST)} rows of norms for {len(steps_S)} training steps")
    keep = np.unique(np.linspace(0, len(steps_S) - 1, MOST_COLUMNS).round().astype(int))
    steps_S, log_TS = np.asarray(steps_S, dtype=float)[keep], log10(norms_ST[keep]).T

    # Drawn at the end of every run, so its time counts: fixed edges instead of a search for them.
    figure, axes = blank(width=5.4, height=3.5, edges=(0.11, 0.19, 0.93, 0.85))
    timesteps = np.arange(log_TS.shape[0] + 1) - 0.5
    mesh = draw_cells(axes, _edges(steps_S), timesteps, log_TS, span=SPAN, shading="flat")
    bar = figure.colorbar(mesh, ax=axes, label=label, extend="both")
    axes.set(xlabel="training step", ylabel=ylabel)
    axes.locator_params(integer=True)
    covered = f"steps {steps_S[0]:.0f} to {steps_S[-1]:.0f}" if len(steps_S) > 1 else f"after {steps_S[0]:.0f} steps"
    heading = axes.set_title(f"{title}, {covered}", loc="left", fontsize="small", fontweight="bold")
    plain(heading, width=58)
    plain(bar.ax.yaxis.label, axes.xaxis.label, axes.yaxis.label)
    plain(figure.text(0.02, 0.02, explanation(log_TS), fontsize="x-small"))
    return figure


def _edges(centres: np.ndarray) -> np.ndarray:
    """Borders [S + 1] half-way between neighbours, so that unequal gaps between measurements stay true to scale."""
    if len(centres) == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    middle = (centres[1:] + centres[:-1]) / 2
    return np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])
