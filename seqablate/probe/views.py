"""A probe's record as a picture and on TensorBoard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch.utils.tensorboard import SummaryWriter

    from seqablate.probe.timestep import TimestepProbe


def profiles(probe: TimestepProbe) -> dict[str, Tensor]:
    """The batch mean of the total norms [T], by ``module h layer 0``, ``module c layer 1 reverse``, ...

    Modules that were not called are left out. A padded step counts for no sample.
    """
    found = {}
    for name in probe.names:
        if not probe[name].calls:
            continue
        for state, norms_LSTB in probe[name].total.items():
            for layer, directions in enumerate(norms_LSTB.nanmean(dim=-1)):
                for direction, norms_T in enumerate(directions):
                    label = f"{name} {state} layer {layer}" + (" reverse" if direction else "")
                    found[label.strip()] = norms_T.cpu()
    if not found:
        raise RuntimeError("nothing was recorded: run the model and backward() inside the TimestepProbe block")
    return found


def draw(probe: TimestepProbe) -> Figure:
    """The profiles over the timesteps, on a logarithmic axis."""
    from seqablate.figures.curves import Curve, draw_log_curves

    return draw_log_curves(
        [Curve(label, norms_T.numpy()) for label, norms_T in profiles(probe).items()],
        title="Total gradient of every timestep",
        xlabel="timestep t",
        ylabel="‖dL/d state‖, batch mean",
    )


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
    for label, norms_T in profiles(probe).items():
        for end, norm in (("first", norms_T[0]), ("last", norms_T[-1])):
            if norm > 0:
                tag = f"timestep_gradient_log10/{label.replace(' ', '_')}/{end}_timestep"
                writer.add_scalar(tag, float(norm.log10()), step)
