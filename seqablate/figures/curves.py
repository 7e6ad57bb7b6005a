"""Gradient norms as curves on a logarithmic axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg")


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One line: ``y`` [N] against ``x`` [N] (0, 1, ... when left out). Zeros and NaN are gaps, never clamped."""

    label: str
    y: np.ndarray
    x: np.ndarray | None = None


def draw_log_curves(curves: Sequence[Curve], *, title: str, xlabel: str, ylabel: str) -> Figure:
    """Overlay curves on a log10 axis, with a legend.

    Drawn without pyplot, so that nothing global is touched and no display is needed.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 4.5), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    for curve in curves:
        x = np.arange(len(curve.y)) if curve.x is None else curve.x
        axes.plot(x, np.where(curve.y > 0, curve.y, np.nan), label=curve.label, linewidth=1.6)
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel, yscale="log")
    axes.grid(True, which="major", alpha=0.3)
    if curves:
        axes.legend(fontsize="small", frameon=False)
    return figure


def save(figure: Figure, path: str | Path) -> Path:
    """Write a figure as PNG or SVG, by the suffix.

    Raises:
        ValueError: the suffix is neither ``.png`` nor ``.svg``.
    """
    path = Path(path)
    if path.suffix not in FORMATS:
        raise ValueError(f"cannot draw {path.name!r}: the file name must end in .png or .svg")
    figure.savefig(path)
    return path
