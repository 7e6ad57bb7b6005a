"""A probe's record as a picture and on TensorBoard.

Shapes: T time, N named layers.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch.utils.tensorboard import SummaryWriter

    from seqablate.probe.timestep import TimestepProbe

NORM = "gradient norm, batch mean"


def profiles(probe: TimestepProbe) -> dict[str, Tensor]:
    """The batch mean of the total norms [T], by ``module h layer 0``, ``module c layer 1 reverse``, ..., or ``module``.

    The last is that of a named output. Modules that were not called, and outputs without a T, are left out. A padded
    step counts for no sample.
    """
    found = {}
    for name in probe.names:
        module = probe[name]
        if not module.calls or (module.layout is not None and "T" not in module.layout):
            continue
        for state, norms_LSTB in module.total.items():
            for layer, directions in enumerate(norms_LSTB.nanmean(dim=-1)):
                for direction, norms_T in enumerate(directions):
                    label = f"{name} {state} layer {layer}" + (" reverse" if direction else "")
                    found[label.strip() if module.layout is None else name or "output"] = norms_T.cpu()
    return found


def depth(probe: TimestepProbe) -> Tensor | None:
    """The batch mean of the total norms [N] of the outputs without a T, in the order named; None without any.

    Modules that were not called are left out; several calls count like more samples.
    """
    modules = [probe[name] for name in probe.names]
    called = [m for m in modules if m.calls and m.layout is not None and "T" not in m.layout]
    return torch.stack([m.total["h"].mean().cpu() for m in called]) if called else None


def draw(probe: TimestepProbe) -> Figure:
    """The profiles over the timesteps, and the one over the layers beside them, on logarithmic axes.

    Raises:
        RuntimeError: nothing was recorded.
    """
    from seqablate.figures.curves import Curve, blank, draw_log_curves

    over_time, norms_N = profiles(probe), depth(probe)
    if not over_time:
        if norms_N is None:
            raise RuntimeError("nothing was recorded: run the model and backward() inside the TimestepProbe block")
        figure, axes = blank(width=8.0, height=4.8)
        _draw_depth(axes, norms_N)
        return figure
    curves = [Curve(label, norms_T.numpy()) for label, norms_T in over_time.items()]
    figure = draw_log_curves(curves, title="Total gradient of every timestep", xlabel="timestep t", ylabel=NORM)
    if norms_N is not None:  # on the left: a long legend stands on the right of its curves
        grid = figure.add_gridspec(1, 2)
        figure.axes[0].set_subplotspec(grid[1])
        figure.set_figwidth(1.6 * figure.get_figwidth())
        _draw_depth(figure.add_subplot(grid[0]), norms_N)
    return figure


def _draw_depth(axes: Axes, norms_N: Tensor) -> None:
    from matplotlib.ticker import MaxNLocator

    from seqablate.figures.curves import PALETTE, Curve

    axes.plot(*Curve("depth", norms_N.numpy()).points(), color=PALETTE[0], linewidth=2.0, marker="o", markersize=4)
    axes.set(xlabel="layer, in the order named", ylabel=NORM, yscale="log")
    axes.set_title("Total gradient of every layer", loc="left", fontsize="medium", fontweight="bold")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(True, which="major", alpha=0.25, linewidth=0.8)


def plot(probe: TimestepProbe, path: str | Path) -> Path:
    """Write :func:`draw`'s figure as PNG or SVG."""
    from seqablate.figures.curves import save

    return save(draw(probe), path)


def log(probe: TimestepProbe, writer: SummaryWriter, step: int) -> None:
    """Write the figure, and both ends of each profile as log10; an end that is 0 has no logarithm and is left out."""
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(draw(probe))
    canvas.draw()
    writer.add_image("timestep_gradient/profile", np.asarray(canvas.buffer_rgba())[..., :3], step, dataformats="HWC")
    curves = [(label, "timestep", norms_T) for label, norms_T in profiles(probe).items()]
    if (norms_N := depth(probe)) is not None:
        curves.append(("depth", "layer", norms_N))
    for label, axis, norms in curves:
        for end, norm in (("first", norms[0]), ("last", norms[-1])):
            if norm > 0:
                tag = f"timestep_gradient_log10/{label.replace(' ', '_')}/{end}_{axis}"
                writer.add_scalar(tag, float(norm.log10()), step)
