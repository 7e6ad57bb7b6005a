"""Norms as coloured cells, log10 on a fixed range; what has no logarithm keeps a colour of its own and is explained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh

BELOW, ABOVE = "#21062b", "#e6550d"  # beyond the two ends of viridis, which are dark purple and yellow
# Cells without a logarithm: a colour, and what it says.
ZERO = ("#b0b0b0", "grey: 0 (below float range)")
OVERFLOW = ("#8b0000", "dark red: overflow (inf)")
UNKNOWN = ("white", "white: NaN or not measured")


def draw_cells(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    log_RC: np.ndarray,
    *,
    span: tuple[float, float],
    shading: Literal["flat", "nearest"],
) -> QuadMesh:
    """Draw log10 of norms in colour; NaN stays white, -inf (a norm of 0) is grey, inf is dark red.

    Args:
        axes: to draw on.
        x, y: borders or centres of the cells, as ``Axes.pcolormesh`` takes them.
        log_RC: [rows, columns] log10 of the norms.
        span: log10 of the norms at the two ends of the colours; cells beyond have a colour of their own.
        shading: of ``Axes.pcolormesh``.
    """
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    axes.grid(False)
    colours = colormaps["viridis"].with_extremes(under=BELOW, over=ABOVE)
    finite = np.ma.masked_where(~np.isfinite(log_RC), log_RC)
    mesh = axes.pcolormesh(x, y, finite, shading=shading, cmap=colours, vmin=span[0], vmax=span[1], rasterized=True)
    for (colour, _), there in ((ZERO, np.isneginf(log_RC)), (OVERFLOW, np.isposinf(log_RC))):
        if there.any():
            one = np.ma.masked_where(~there, np.ones(log_RC.shape))
            axes.pcolormesh(x, y, one, shading=shading, cmap=ListedColormap([colour]), rasterized=True)
    return mesh


def explanation(log_RC: np.ndarray) -> str:
    """What the cells mean that have no logarithm, in one line; empty without any."""
    kinds = ((ZERO, np.isneginf), (OVERFLOW, np.isposinf), (UNKNOWN, np.isnan))
    return "   ".join(words for (_, words), found in kinds if found(log_RC).any())


def log10(norms: np.ndarray) -> np.ndarray:
    """log10 of norms: -inf for 0, NaN for NaN, inf for inf."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log10(norms))
