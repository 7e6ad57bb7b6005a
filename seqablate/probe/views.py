"""A probe's record as a picture and on TensorBoard.

Shapes: T steps of a curve.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from seqablate.probe.curves import Align, Profile, depth, everything, notes, profiles
from seqablate.probe.modules import ModuleGradients

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch.utils.tensorboard import SummaryWriter

    from seqablate.figures.curves import Curve

NORM = "gradient norm, batch mean"
NOTHING = "nothing was recorded: run the model and backward() inside the TimestepProbe block"


def draw(records: Mapping[str, ModuleGradients], align: Align = "start") -> Figure:
    """The profiles over the timesteps, and the one over the layers beside them, on logarithmic axes.

    Raises:
        ValueError: another ``align``.
        RuntimeError: nothing was recorded.
    """
    from seqablate.figures.curve import Curve
    from seqablate.figures.curves import blank, draw_curves

    if align not in ("start", "end"):
        raise ValueError(f'align must be "start" or "end", not {align!r}')
    over_time, over_layers = profiles(records), depth(records)
    if not over_time:
        if over_layers is None:
            raise RuntimeError("; ".join([NOTHING, *notes(records, [])]))
        figure, axes = blank(width=8.0, height=4.8)
        _draw_depth(axes, over_layers)
        return figure
    curves = [Curve(_legend(profile), profile.mean(align)) for profile in over_time]
    figure = draw_curves(curves, title=_title(over_time, align), xlabel=_xlabel(over_time, align), ylabel=NORM)
    _mark(figure.axes[0], curves)
    if over_layers is not None:  # on the left: a long legend stands on the right of its curves
        grid = figure.add_gridspec(1, 2)
        figure.axes[0].set_subplotspec(grid[1])
        figure.set_figwidth(1.6 * figure.get_figwidth())
        _draw_depth(figure.add_subplot(grid[0]), over_layers)
    return figure


def _title(over_time: list[Profile], align: Align) -> str:
    """What is drawn; of unequal lengths also what the mean is over."""
    axes = {profile.axis for profile in over_time}
    title = f"Total gradient of every {' or '.join(sorted(axes))}"
    if align == "end":
        return f"{title}, mean at equal distance from each sample's end"
    if any(profile.unequal for profile in over_time):
        return f'{title},\nmean over the samples that have it (see also align="end")'
    return title


def _xlabel(over_time: list[Profile], align: Align) -> str:
    axis = " or ".join(sorted({profile.axis for profile in over_time}))
    return f"{axis}s before the end of the sample" if align == "end" else f"{axis} t" if axis == "timestep" else axis


def _legend(profile: Profile) -> str:
    odd = profile.oddities()
    return f"{profile.label} ({odd})" if odd else profile.label


def _mark(axes: Axes, curves: Sequence[Curve]) -> None:
    """Marks where a curve has no logarithm: at the lower edge for 0, at the upper one for inf, crosses for NaN."""
    at_edge = axes.get_xaxis_transform()
    for line, curve in zip(list(axes.lines), curves, strict=False):
        y = np.asarray(curve.y)
        for marker, height, at in (("v", 0.015, y == 0), ("^", 0.985, np.isinf(y)), ("x", 0.985, np.isnan(y))):
            x = np.flatnonzero(at)
            if len(x):
                axes.scatter(x, np.full(len(x), height), marker=marker, s=18, color=line.get_color(), transform=at_edge)


def _draw_depth(axes: Axes, over_layers: Profile) -> None:
    from matplotlib.ticker import MaxNLocator

    from seqablate.figures.curve import Curve
    from seqablate.figures.styles import PALETTE

    curve = Curve(_legend(over_layers), over_layers.mean())
    axes.plot(*curve.points(), color=PALETTE[0], linewidth=2.0, marker="o", markersize=4, label=curve.label)
    axes.set(xlabel="layer, in the order named", ylabel=NORM, yscale="log")
    axes.set_title("Total gradient of every layer", loc="left", fontsize="medium", fontweight="bold")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(True, which="major", alpha=0.25, linewidth=0.8)
    _mark(axes, [curve])
    if over_layers.oddities():
        axes.legend(fontsize="small", frameon=False)


def log(records: Mapping[str, ModuleGradients], writer: SummaryWriter, step: int) -> None:
    """Write the figure, the scalars of every curve, and a text of what is missing or not finite.

    Without anything recorded only the text is written, so that a training loop goes on.
    """
    found = everything(records)
    lines = notes(records, found) if found else [NOTHING, *notes(records, found)]
    if lines:
        writer.add_text("timestep_gradient/notes", "  \n".join(lines), step)
    if not found:
        return
    _log_picture(draw(records), writer, step)
    for curve in found:
        tag, mean_T = curve.label.replace(" ", "_"), curve.mean()
        with np.errstate(divide="ignore"):
            ends = np.log10(mean_T[[0, -1]])
        for end, value in zip(("first", "last"), ends, strict=True):
            writer.add_scalar(f"timestep_gradient_log10/{tag}/{end}_{curve.axis}", float(value), step)
        writer.add_scalar(f"timestep_gradient_vanished/{tag}", curve.vanished(), step)
        fit = curve.decay()
        if fit is not None and fit.factor is not None:
            writer.add_scalar(f"timestep_gradient_decay/{tag}", fit.factor, step)


def _log_picture(figure: Figure, writer: SummaryWriter, step: int) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    writer.add_image("timestep_gradient/profile", np.asarray(canvas.buffer_rgba())[..., :3], step, dataformats="HWC")
