"""Gradient norms between two axes of time, as a picture: which loss step depends on which timestep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DECADES = 6  # the colours reach this far below a row's largest norm
LABEL = "log10 of ‖dJ(s)/dhₜ‖ / the row's largest"


def draw_pairs(matrices: Mapping[str, tuple[np.ndarray, np.ndarray]], *, title: str) -> Figure:
    """Draw one panel a place, all with the same colours: loss steps downwards, timesteps to the right.

    Each row is relative to its largest norm, so that a loss step that is still large does not outshine the others.

    Args:
        matrices: name of a place -> its loss steps [S] (increasing) and gradient norms [S, T]; NaN and zero stay white.
        title: what is shown, in words.

    Raises:
        ValueError: nothing to draw, or loss steps and norms that disagree about S.
    """
    from matplotlib.figure import Figure

    if not matrices or any(len(steps_S) != len(norms_ST) for steps_S, norms_ST in matrices.values()):
        raise ValueError("every panel needs a loss step for each row of norms, and there must be a panel")
    logs = {name: _relative_log10(norms_ST) for name, (_, norms_ST) in matrices.items()}
    bottom = min(-1.0, *(float(log_ST.min(initial=0.0, where=np.isfinite(log_ST))) for log_ST in logs.values()))
    figure = Figure(figsize=(1.4 + 3.8 * len(logs), 4.0), dpi=120, layout="constrained")
    (panels,) = figure.subplots(1, len(logs), squeeze=False, sharey=True)
    for axes, (name, log_ST) in zip(panels, logs.items(), strict=True):
        picture = axes.pcolormesh(
            np.arange(log_ST.shape[1]),
            matrices[name][0],
            log_ST,
            shading="nearest",
            cmap="viridis",
            vmin=max(bottom, -DECADES),
            vmax=0.0,
            rasterized=True,
        )
        axes.set(xlabel="encoder timestep t")
        axes.set_title(name, loc="left", fontsize="small")
        axes.locator_params(integer=True)
    panels[0].set(ylabel="decoder step s (whose loss it is)")
    panels[0].invert_yaxis()  # shared
    figure.colorbar(picture, ax=panels, label=LABEL, extend="min" if bottom < -DECADES else "neither")
    figure.suptitle(title, x=0.02, ha="left", fontsize="medium", fontweight="bold")
    return figure


def _relative_log10(norms_ST: np.ndarray) -> np.ndarray:
    """log10 of every norm over its row's largest; NaN where a norm is unknown or zero."""
    usable = np.isfinite(norms_ST) & (norms_ST > 0)
    log_ST = np.log10(norms_ST, out=np.full(norms_ST.shape, np.nan), where=usable)
    return log_ST - log_ST.max(1, initial=-np.inf, where=usable, keepdims=True)
