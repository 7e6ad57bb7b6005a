"""Curves at many training steps as a picture: timestep (or layer) against training step, in colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from seqablate.figures.cells import draw_cells, explanation, shades
from seqablate.figures.cells import span as span_of
from seqablate.figures.curves import blank
from seqablate.figures.words import plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_COLUMNS = 400  # more than the pixels can show; thinning keeps a long run's picture quick to draw
SPAN = (-10.0, 2.0)  # log10 of the norms at the ends of the colours: fixed, so that the pictures of all runs compare


def draw_heatmap(
    values_ST: np.ndarray,
    steps_S: np.ndarray,
    *,
    title: str,
    label: str,
    ylabel: str = "timestep t",
    log: bool = True,
    span: tuple[float, float] | None = None,
) -> Figure:
    """Draw values measured at S training steps over T timesteps (or layers).

    Args:
        values_ST: [S, T] values; cells of 0, inf and NaN are explained under the picture.
        steps_S: [S] training steps, increasing.
        title: what is shown, in words; the range of training steps is added.
        label: what the values are, such as ``‖dL/dh‖``.
        ylabel: what the T rows are.
        log: colours stand for log10, in a range that is the same for every run; else for the values themselves, from
            the smallest to the largest.
        span: the values at the two ends of the colours; None: as ``log`` says.

    Raises:
        ValueError: no training step, or ``steps_S`` and ``values_ST`` disagree about S.
    """
    steps_S, shades_TS = thinned(values_ST, steps_S, log)
    figure, axes = blank(width=5.4, height=3.5, edges=(0.11, 0.19, 0.93, 0.85))
    timesteps = np.arange(shades_TS.shape[0] + 1) - 0.5
    colours = span or shown_span(shades_TS, log)
    mesh = draw_cells(axes, edges(steps_S), timesteps, shades_TS, span=colours, shading="flat")
    bar = figure.colorbar(
        mesh, ax=axes, label=f"log10 of {label}" if log else label, extend="both" if log else "neither"
    )
    axes.set(xlabel="training step", ylabel=ylabel)
    axes.locator_params(integer=True)
    covered = f"steps {steps_S[0]:.0f} to {steps_S[-1]:.0f}" if len(steps_S) > 1 else f"after {steps_S[0]:.0f} steps"
    heading = axes.set_title(f"{title}, {covered}", loc="left", fontsize="small", fontweight="bold")
    plain(heading, width=58)
    plain(bar.ax.yaxis.label, axes.xaxis.label, axes.yaxis.label)
    plain(figure.text(0.02, 0.02, explanation(shades_TS), fontsize="x-small"))
    return figure


def thinned(values_ST: np.ndarray, steps_S: np.ndarray, log: bool) -> tuple[np.ndarray, np.ndarray]:
    """The training steps that are drawn, and what their colours stand for [T, S].

    Raises:
        ValueError: no training step, or they disagree about S.
    """
    if not len(steps_S) or len(steps_S) != len(values_ST):
        raise ValueError(f"{len(values_ST)} rows of values for {len(steps_S)} training steps")
    keep = np.unique(np.linspace(0, len(steps_S) - 1, MOST_COLUMNS).round().astype(int))
    return np.asarray(steps_S, dtype=float)[keep], shades(values_ST[keep], log).T


def shown_span(shades_TS: np.ndarray, log: bool) -> tuple[float, float]:
    """What the two ends of the colours stand for."""
    return SPAN if log else span_of(shades_TS)


def edges(centres: np.ndarray) -> np.ndarray:
    """Borders [S + 1] half-way between neighbours, so that unequal gaps between measurements stay true to scale."""
    if len(centres) == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    middle = (centres[1:] + centres[:-1]) / 2
    return np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])
