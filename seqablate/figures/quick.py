"""Heatmaps as PNG files, quickly: words, axes and colour bar are drawn once for all pictures that have the same ones.

Every run ends with such pictures. matplotlib spends nearly all of its time on words and ticks, which the runs of a
sweep have in common; the cells are a lookup in numpy.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from seqablate.figures.cells import explanation, rgba
from seqablate.figures.heatmap import draw_heatmap, edges, shown_span, thinned

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class _Frame:
    """All of a picture but its cells, which show where it is transparent.

    Attributes:
        image: of the whole picture.
        box: left, top, right and bottom of the cells in pixels, from the upper left corner.
    """

    image: Image
    box: tuple[float, float, float, float]


def heatmap_png(
    values_ST: np.ndarray,
    steps_S: np.ndarray,
    *,
    title: str,
    label: str,
    ylabel: str = "timestep t",
    log: bool = True,
) -> bytes:
    """The PNG of :func:`seqablate.figures.heatmap.draw_heatmap`, which explains the arguments and what is raised."""
    from PIL import Image

    steps_S, shades_TS = thinned(values_ST, steps_S, log)
    span = shown_span(shades_TS, log)
    frame = _frame(
        tuple(steps_S), len(shades_TS), span, explanation(shades_TS), title=title, label=label, ylabel=ylabel, log=log
    )
    picture = Image.new("RGBA", frame.image.size, "white")
    cells = _cells(shades_TS, edges(steps_S), span, frame.box)
    picture.alpha_composite(Image.fromarray(cells), (round(frame.box[0]), round(frame.box[1])))
    picture.alpha_composite(frame.image)
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def _cells(
    shades_TS: np.ndarray, edges_S: np.ndarray, span: tuple[float, float], box: tuple[float, float, float, float]
) -> np.ndarray:
    """[height, width, 4] colours of the pixels: each has that of the cell which its centre lies in; T goes upwards."""
    left, top, right, bottom = (round(edge) for edge in box)
    x = (np.arange(right - left) + 0.5) / (right - left) * (edges_S[-1] - edges_S[0]) + edges_S[0]
    y = (np.arange(bottom - top) + 0.5) / (bottom - top) * len(shades_TS)
    columns = np.searchsorted(edges_S, x, side="right") - 1
    rows = y.astype(int)[::-1]
    return rgba(shades_TS, span)[rows[:, None], columns]


@lru_cache(maxsize=16)
def _frame(
    steps: tuple[float, ...],
    timesteps: int,
    span: tuple[float, float],
    explained: str,
    *,
    title: str,
    label: str,
    ylabel: str,
    log: bool,
) -> _Frame:
    """Drawn by matplotlib around cells that are left out."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    ends = np.resize(span, (len(steps), timesteps))  # the colour bar reaches from one end to the other
    values_ST = 10.0**ends if log else ends
    figure = draw_heatmap(values_ST, np.array(steps), title=title, label=label, ylabel=ylabel, log=log, span=span)
    figure.texts[0].set_text(explained)
    axes = figure.axes[0]
    for hidden in (*axes.collections, axes.patch, figure.patch):
        hidden.set_visible(False)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    height = canvas.get_width_height()[1]
    box = axes.get_window_extent()
    image = Image.fromarray(np.array(canvas.buffer_rgba()))
    return _Frame(image, (box.x0, height - box.y1, box.x1, height - box.y0))
