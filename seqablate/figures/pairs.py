"""Gradient norms between two axes of time, as a picture: which loss step depends on which timestep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from seqablate.figures.cells import draw_cells, explanation, log10
from seqablate.figures.words import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.figure import Figure

SPAN = (-6.0, 0.0)  # decades below a row's largest norm: fixed, so that the pictures of all runs compare
LABEL = "log10 of ‖dJ(s)/dh(t)‖ / the row's largest"
Matrices = Mapping[str, tuple[np.ndarray, np.ndarray]]


def draw_pairs(rows: Mapping[str, Matrices], *, title: str) -> Figure:
    """Draw one row of panels a run and one panel a place, all in the same colours: timesteps go to the right.

    Each line of a panel is relative to its largest norm, so that all loss steps can be seen.

    Args:
        rows: name of a run (may be empty) -> name of a place -> its loss steps [S] (increasing) and gradient norms
            [S, T]; cells of 0, inf and NaN are explained under the picture.
        title: what is shown, in words.

    Raises:
        ValueError: nothing to draw, or loss steps and norms that disagree about S.
    """
    from matplotlib.figure import Figure

    every = [pair for matrices in rows.values() for pair in matrices.values()]
    if not every or any(len(steps_S) != len(norms_ST) for steps_S, norms_ST in every):
        raise ValueError("every panel needs a loss step for each row of norms, and there must be a panel")
    across = max(map(len, rows.values()))
    figure = Figure(figsize=(1.6 + 3.8 * across, 1.0 + 3.2 * len(rows)), dpi=120, layout="constrained")
    panels = figure.subplots(len(rows), across, squeeze=False)
    for (run, matrices), places in zip(rows.items(), panels, strict=True):
        for axes in places[len(matrices) :]:
            axes.remove()
        for axes, (place, matrix) in zip(places, matrices.items(), strict=False):
            mesh = _draw_panel(axes, f"{run}\n{place}" if run else place, *matrix)
    figure.colorbar(mesh, ax=figure.axes, label=LABEL, extend="min")
    figure.supxlabel(explanation(np.concatenate([log10(norms_ST).ravel() for _, norms_ST in every])), fontsize="small")
    heading = figure.suptitle(title, x=0.02, ha="left", fontsize="medium", fontweight="bold")
    plain(heading, width=16 + 40 * across)
    return figure


def _draw_panel(axes: Axes, name: str, steps_S: np.ndarray, norms_ST: np.ndarray) -> QuadMesh:
    timesteps = np.arange(norms_ST.shape[1])
    mesh = draw_cells(axes, timesteps, steps_S, _relative_log10(norms_ST), span=SPAN, shading="nearest")
    axes.set(xlabel="encoder timestep t", ylabel="decoder step s (whose loss it is)")
    axes.locator_params(integer=True)
    axes.invert_yaxis()
    plain(axes.set_title(name, loc="left", fontsize="small"), width=46)
    return mesh


def _relative_log10(norms_ST: np.ndarray) -> np.ndarray:
    """log10 of every norm over its row's largest finite one."""
    log_ST = log10(norms_ST)
    largest_S1 = log_ST.max(1, initial=-np.inf, where=np.isfinite(log_ST), keepdims=True)
    return np.where(np.isfinite(log_ST), log_ST - np.where(np.isfinite(largest_S1), largest_S1, 0.0), log_ST)
