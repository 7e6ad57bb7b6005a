"""Effects with their intervals, one below the other, each on its own axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from seqablate.figures.styles import PALETTE
from seqablate.figures.words import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, ROW = 7.0, 1.25  # inches
SPREAD = 0.3  # of the dots about the middle of a row
MARGIN = 0.08  # of the span beside the outermost value
TITLE_CHARACTERS = 70
FINE = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)  # where ratios are labelled on less than a decade
SHORT = 0.2  # decades, between two of these
CAPTION = "a dot: one seed; diamond and bar: estimate and its interval; dashed: what the claim needs"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Effect:
    """One row.

    Attributes:
        title: above it.
        word: what was decided, beside the title.
        color: of the estimate, by its position in the palette.
        values: [N] one for each pair.
        estimate, low, high: None where there is none.
        needed: values at which dashed lines stand.
        none: the value of no effect: 0 of a difference, 1 of a ratio.
        log: whether the axis is logarithmic.
    """

    title: str
    word: str
    color: int
    values: np.ndarray
    estimate: float | None
    low: float | None
    high: float | None
    needed: Sequence[float]
    none: float
    log: bool


def draw_effects(effects: Sequence[Effect], *, title: str) -> Figure:
    """A row for each effect: dots for the pairs, a diamond with a bar for the estimate and its interval.

    A value that is infinite, or where the axis is logarithmic 0, stands as an arrow at the edge. Drawn without pyplot.

    Raises:
        ValueError: nothing to draw.
    """
    from matplotlib.figure import Figure

    if not effects:
        raise ValueError("there must be an effect")
    figure = Figure(figsize=(WIDTH, 0.7 + ROW * len(effects)), dpi=120, layout="constrained")
    for axes, effect in zip(figure.subplots(len(effects), 1, squeeze=False)[:, 0], effects, strict=True):
        _draw(axes, effect)
    figure.supxlabel(CAPTION, fontsize="small")
    heading = figure.suptitle(title, x=0.02, ha="left", fontsize="medium", fontweight="bold")
    plain(heading, width=TITLE_CHARACTERS)
    return figure


def _draw(axes: Axes, effect: Effect) -> None:
    low, high = _span(effect)
    axes.set(xscale="log" if effect.log else "linear", xlim=(low, high), ylim=(-0.7, 0.7), yticks=[])
    if effect.log:
        _label_ratios(axes, float(np.log10(high / low)))
    axes.spines[["left", "right", "top"]].set_visible(False)
    axes.axvline(effect.none, color="0.6", linewidth=1.0)
    for needed in effect.needed:
        axes.axvline(needed, color="0.2", linewidth=1.2, linestyle=(0, (5, 2)))
    _dots(axes, effect, low, high)
    color = PALETTE[effect.color % len(PALETTE)]
    if effect.low is not None and effect.high is not None:
        axes.plot(np.clip([effect.low, effect.high], low, high), [0, 0], color=color, linewidth=3.0)
    if effect.estimate is not None:
        axes.plot(np.clip([effect.estimate], low, high), [0], marker="D", markersize=8, color=color)
    words = axes.set_title(f"{effect.title}   {effect.word}", loc="left", fontsize="small")
    plain(words, width=TITLE_CHARACTERS)


def _label_ratios(axes: Axes, decades: float) -> None:
    """Ratios as plain numbers, some of them however short the axis is."""
    from matplotlib.ticker import LogLocator, MaxNLocator

    subs = FINE if decades < 1 else (1, 2, 5) if decades < 3 else (1,)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]) if decades < SHORT else LogLocator(subs=subs))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()


def _dots(axes: Axes, effect: Effect, low: float, high: float) -> None:
    """The pairs, spread over the height of the row in their order so that equal ones are seen."""
    heights = SPREAD * (np.arange(len(effect.values)) * 0.618 % 1 * 2 - 1)
    x = np.nan_to_num(effect.values, posinf=np.inf, neginf=-np.inf)
    for marker, where in (("<", x < low), ("o", (x >= low) & (x <= high)), (">", x > high)):
        axes.plot(np.clip(x[where], low, high), heights[where], marker, color="0.45", markersize=4, alpha=0.6)


def _span(effect: Effect) -> tuple[float, float]:
    """The ends of the axis: what is finite, no effect, and what is needed."""
    candidates = [*effect.values, effect.low, effect.high, effect.estimate, effect.none, *effect.needed]
    numbers = np.array([x for x in candidates if x is not None], dtype=np.float64)
    shown = numbers[np.isfinite(numbers) & ((numbers > 0) | (not effect.log))]
    heights = np.log10(shown) if effect.log else shown
    margin = MARGIN * (np.ptp(heights) or 1.0)
    ends = heights.min() - margin, heights.max() + margin
    return (10.0 ** ends[0], 10.0 ** ends[1]) if effect.log else (float(ends[0]), float(ends[1]))
