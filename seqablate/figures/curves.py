"""Gradient norms as curves on a logarithmic axis."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg")
# Told apart with every common form of colour blindness (Okabe & Ito 2008); yellow is left out: too faint on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
DASHES = ("solid", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1.5, 1, 1.5)))
LEGEND_INSIDE = 6  # a longer legend would cover the curves and goes beside them


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One line: ``y`` [N] against ``x`` [N] (0, 1, ... when left out). Zeros and NaN are gaps, never clamped."""

    label: str
    y: np.ndarray
    x: np.ndarray | None = None

    def points(self) -> tuple[np.ndarray, np.ndarray]:
        """x and y, with NaN wherever a logarithm does not exist."""
        x = np.arange(len(self.y)) if self.x is None else np.asarray(self.x)
        drawable = np.isfinite(self.y) & (self.y > 0)
        return x, np.where(drawable, self.y, np.nan)


def draw_log_curves(curves: Sequence[Curve], *, title: str, xlabel: str, ylabel: str) -> Figure:
    """Overlay curves on a log10 axis, with a legend (beside the axes when it is long).

    Drawn without pyplot, so that nothing global is touched and no display is needed.

    Example:
        >>> figure = draw_log_curves([Curve("fades", 0.5 ** np.arange(9.0))], title="", xlabel="lag k", ylabel="norm")
        >>> save(figure, "fades.svg")  # doctest: +SKIP
    """
    aside = len(curves) > LEGEND_INSIDE
    figure, axes = blank(width=10.5 if aside else 8.0, height=4.8)
    for position, curve in enumerate(curves):
        x, y = curve.points()
        alone = _alone(y)
        axes.plot(
            x,
            y,
            label=curve.label,
            color=PALETTE[position % len(PALETTE)],
            linestyle=DASHES[position // len(PALETTE) % len(DASHES)],
            linewidth=2.0,
            marker="o" if alone else None,  # no line leads to them
            markevery=alone,
        )
    axes.set(xlabel=xlabel, ylabel=ylabel, yscale="log")
    axes.set_title(title, loc="left", fontsize="medium", fontweight="bold")
    axes.margins(x=0.02)
    if aside:
        figure.legend(loc="outside right upper", fontsize="small", frameon=False)
    elif curves:
        axes.legend(fontsize="small", frameon=False)
    return figure


def _alone(y: np.ndarray) -> list[int]:
    """Where a point stands between two gaps."""
    gap = np.concatenate([[True], ~np.isfinite(y), [True]])
    return [int(i) for i in np.flatnonzero(~gap[1:-1] & gap[:-2] & gap[2:])]


def blank(
    *, width: float, height: float, edges: tuple[float, float, float, float] | None = None
) -> tuple[Figure, Axes]:
    """An empty figure (inches) in this package's style, with one pair of axes.

    ``edges`` (left, bottom, right, top as shares of the figure) place the axes; None finds room for every word, which
    takes twice as long.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=120, layout=None if edges else "constrained")
    if edges:
        figure.subplots_adjust(*edges)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(True, which="major", alpha=0.25, linewidth=0.8)
    return figure, axes


def save(figure: Figure, path: str | Path) -> Path:
    """Write a figure as PNG or SVG, by the suffix. No date goes into the file.

    Raises:
        ValueError: the suffix is neither ``.png`` nor ``.svg``.
    """
    path = Path(path)
    if path.suffix not in FORMATS:
        raise ValueError(f"cannot draw {path.name!r}: the file name must end in .png or .svg")
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    return path


def png(figure: Figure) -> bytes:
    """The figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
