"""Values as coloured cells; what is not finite, or has no logarithm, keeps a colour of its own and is explained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.colors import Colormap

BELOW, ABOVE = "#21062b", "#e6550d"  # beyond the two ends of viridis, which are dark purple and yellow
# Cells without a logarithm: a colour, and what it says.
ZERO = ("#b0b0b0", "grey: 0 (below float range)")
OVERFLOW = ("#8b0000", "dark red: overflow (inf)")
UNKNOWN = ("white", "white: NaN or not measured")


def draw_cells(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    shades_RC: np.ndarray,
    *,
    span: tuple[float, float],
    shading: Literal["flat", "nearest"],
) -> QuadMesh:
    """Draw values, or their log10, in colour; NaN stays white, -inf (log10 of 0) is grey, inf is dark red.

    Args:
        axes: to draw on.
        x, y: borders or centres of the cells, as ``Axes.pcolormesh`` takes them.
        shades_RC: [rows, columns] see :func:`shades`.
        span: the shades at the two ends of the colours; cells beyond have a colour of their own.
        shading: of ``Axes.pcolormesh``.
    """
    from matplotlib.colors import ListedColormap

    axes.grid(False)
    colours = _colours()
    finite = np.ma.masked_where(~np.isfinite(shades_RC), shades_RC)
    mesh = axes.pcolormesh(x, y, finite, shading=shading, cmap=colours, vmin=span[0], vmax=span[1], rasterized=True)
    for (colour, _), there in ((ZERO, np.isneginf(shades_RC)), (OVERFLOW, np.isposinf(shades_RC))):
        if there.any():
            one = np.ma.masked_where(~there, np.ones(shades_RC.shape))
            axes.pcolormesh(x, y, one, shading=shading, cmap=ListedColormap([colour]), rasterized=True)
    return mesh


def _colours() -> Colormap:
    from matplotlib import colormaps

    return colormaps["viridis"].with_extremes(under=BELOW, over=ABOVE)


def rgba(shades_RC: np.ndarray, span: tuple[float, float]) -> np.ndarray:
    """[R, C, 4] the colours that :func:`draw_cells` draws, as bytes; NaN is transparent."""
    from matplotlib.colors import Normalize, to_rgba

    finite = np.ma.masked_where(~np.isfinite(shades_RC), shades_RC)
    found = _colours()(Normalize(*span)(finite), bytes=True)
    for (colour, _), there in ((ZERO, np.isneginf(shades_RC)), (OVERFLOW, np.isposinf(shades_RC))):
        found[there] = np.round(255 * np.array(to_rgba(colour))).astype(np.uint8)
    return np.asarray(found)


def explanation(shades_RC: np.ndarray) -> str:
    """What the cells mean that have no logarithm, in one line; empty without any."""
    kinds = ((ZERO, np.isneginf), (OVERFLOW, np.isposinf), (UNKNOWN, np.isnan))
    return "   ".join(words for (_, words), found in kinds if found(shades_RC).any())


def shades(values: np.ndarray, log: bool) -> np.ndarray:
    """What colours stand for: the values, or their log10: -inf for 0, NaN for NaN, inf for inf."""
    if not log:
        return np.asarray(values, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log10(values))


def span(shades: np.ndarray) -> tuple[float, float]:
    """From the smallest finite one to the largest; a unit apart where they are equal, or there are none."""
    finite = shades[np.isfinite(shades)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
    return (low, high) if low < high else (low - 0.5, high + 0.5)
