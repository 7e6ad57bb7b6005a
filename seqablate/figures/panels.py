"""Values over two axes, as panels of coloured cells: a row of panels a run, a panel a place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from seqablate.figures.cells import draw_cells, explanation, shades
from seqablate.figures.cells import span as span_of
from seqablate.figures.words import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_ACROSS = 6
RELATIVE = (-6.0, 0.0)  # decades below a row's largest value: fixed, so that the pictures of all runs compare
Matrices = Mapping[str, tuple[np.ndarray, np.ndarray]]


def draw_panels(
    rows: Mapping[str, Matrices],
    *,
    title: str,
    xlabel: str,
    ylabel: str,
    unit: str,
    log: bool = True,
    relative: bool = False,
) -> Figure:
    """Draw one row of panels a run (of many places, several rows) and one panel a place, all in the same colours.

    Args:
        rows: name of a run (may be empty) -> name of a place -> coordinates [K] (increasing) and values [K, T];
            cells without a logarithm, of inf and of NaN are explained under the picture.
        title: what is shown, in words.
        xlabel, ylabel: what T and K count; T goes to the right, from 0.
        unit: what the values are.
        log: colours stand for log10.
        relative: with ``log``, each of the K rows is drawn relative to its largest value, so that all of them can be
            seen, and the first stands at the top.

    Raises:
        ValueError: nothing to draw, or coordinates and values that disagree about K.
    """
    from matplotlib.figure import Figure

    every = [pair for matrices in rows.values() for pair in matrices.values()]
    if not every or any(len(at_K) != len(values_KT) for at_K, values_KT in every):
        raise ValueError("every panel needs a coordinate for each row of values, and there must be a panel")
    lines = [line for run, matrices in rows.items() for line in _lines(run, matrices)]
    across = max(map(len, lines))
    figure = Figure(figsize=(1.6 + 3.8 * across, 1.0 + 3.2 * len(lines)), dpi=120, layout="constrained")
    panels = figure.subplots(len(lines), across, squeeze=False)
    everything = np.concatenate([_shades(values_KT, log, relative).ravel() for _, values_KT in every])
    span = RELATIVE if relative else span_of(everything)
    for line, places in zip(lines, panels, strict=True):
        for axes in places[len(line) :]:
            axes.remove()
        for axes, (name, (at_K, values_KT)) in zip(places, line, strict=False):
            shades_KT = _shades(values_KT, log, relative)
            mesh = draw_cells(axes, np.arange(shades_KT.shape[1]), at_K, shades_KT, span=span, shading="nearest")
            _label(axes, name, xlabel, ylabel, downwards=relative)
    label = (f"log10 of {unit}" if log else unit) + (" / the row's largest" if relative else "")
    bar = figure.colorbar(mesh, ax=figure.axes, label=label, extend="min" if relative else "neither")
    figure.supxlabel(explanation(everything), fontsize="small")
    heading = figure.suptitle(title, x=0.02, ha="left", fontsize="medium", fontweight="bold")
    plain(bar.ax.yaxis.label)
    plain(heading, width=16 + 40 * across)
    return figure


def _lines(run: str, matrices: Matrices) -> list[list[tuple[str, tuple[np.ndarray, np.ndarray]]]]:
    """The panels of one run with their names, as many beside each other as fit."""
    named = [(f"{run}\n{place}" if run else place, matrix) for place, matrix in matrices.items()]
    return [named[first : first + MOST_ACROSS] for first in range(0, len(named), MOST_ACROSS)]


def _label(axes: Axes, name: str, xlabel: str, ylabel: str, *, downwards: bool) -> None:
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.locator_params(integer=True)
    if downwards:
        axes.invert_yaxis()
    plain(axes.xaxis.label, axes.yaxis.label)
    plain(axes.set_title(name, loc="left", fontsize="small"), width=46)


def _shades(values_KT: np.ndarray, log: bool, relative: bool) -> np.ndarray:
    """What the colours stand for: log10 or the values, ``relative`` ones less the largest finite one of their row."""
    shades_KT = shades(values_KT, log)
    if not relative:
        return shades_KT
    finite = np.isfinite(shades_KT)
    largest_K1 = shades_KT.max(1, initial=-np.inf, where=finite, keepdims=True)
    return np.where(finite, shades_KT - np.where(np.isfinite(largest_K1), largest_K1, 0.0), shades_KT)
