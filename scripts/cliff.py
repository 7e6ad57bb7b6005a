#!/usr/bin/env python3
"""The cliff in the loss of one recurrent unit (Pascanu, Mikolov & Bengio 2013, figure 6): a step with clip and without.

The unit reads nothing: h_t = sigmoid(w h_(t-1) + b) from h_0 = sigmoid(0.5). Its loss is (h_50 - 0.7)^2. Gradient
descent whose gradient is clipped to a norm of 1 goes from (w, b) = (5.5, -2.5); at the largest gradient on its way the
script compares the step that is made there with the one that would have been made without a clip.

    python scripts/cliff.py                   # prints the two steps
    python scripts/cliff.py --out cliff.png   # and draws the loss, the way and both steps
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from documents.runs import Runs
    from matplotlib.axes import Axes

TIMESTEPS, FIRST, TARGET = 50, 0.5, 0.7
START, LEARNING_RATE, MAX_NORM, STEPS = (5.5, -2.5), 0.05, 1.0, 400
W, B = np.linspace(4.0, 6.5, 501), np.linspace(-3.5, -1.5, 401)  # the part of the plane that is drawn


class Way(NamedTuple):
    """What gradient descent with a clip did.

    Attributes:
        points: [steps, 2] where each step began, (w, b).
        gradients: [steps, 2] as they were before the clip.
    """

    points: np.ndarray
    gradients: np.ndarray

    @property
    def cliff(self) -> int:
        """The step with the largest gradient."""
        return int(np.linalg.norm(self.gradients, axis=1).argmax())

    @property
    def unclipped(self) -> np.ndarray:
        """[2] the step that would be made there without a clip."""
        return -LEARNING_RATE * self.gradients[self.cliff]

    @property
    def clipped(self) -> np.ndarray:
        """[2] the step that is made there."""
        return self.points[self.cliff + 1] - self.points[self.cliff]


def loss(w: np.ndarray, b: np.ndarray) -> np.ndarray:
    """At every (w, b)."""
    h = np.full(np.broadcast(w, b).shape, 1 / (1 + np.exp(-FIRST)))
    for _ in range(TIMESTEPS):
        h = 1 / (1 + np.exp(-(w * h + b)))
    return (h - TARGET) ** 2


def descend() -> Way:
    """With the cell, its compiled kernels and the clip that a run of ``model.nonlinearity=sigmoid`` has."""
    import torch

    from seqablate.clip.norm import NormClip
    from seqablate.engine.recurrence import Recurrence

    unit, clip = Recurrence("rnn_sigmoid", 1, 1).double(), NormClip(MAX_NORM)
    trained = [unit.weight_hh, unit.bias_hh]
    with torch.no_grad():
        for parameter in unit.parameters():
            parameter.zero_()
        for parameter, value in zip(trained, START, strict=True):
            parameter.fill_(value)
    nothing_TBI = torch.zeros(TIMESTEPS, 1, 1, dtype=torch.float64)
    first = (torch.tensor([[FIRST]], dtype=torch.float64).sigmoid(),)
    optimizer = torch.optim.SGD(trained, lr=LEARNING_RATE)
    points, gradients = [], []
    for _ in range(STEPS):
        optimizer.zero_grad()
        (unit(nothing_TBI, first)[0][-1] - TARGET).square().sum().backward()
        points.append([p.item() for p in trained])
        gradients.append([p.grad.item() for p in trained if p.grad is not None])
        clip(trained)
        optimizer.step()
    return Way(np.array(points), np.array(gradients))


def draw(path: Path, way: Way) -> None:
    """The loss, the way over it, and both steps from the cliff."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.4, 3.9), layout="constrained")
    axes = figure.add_subplot()
    mesh = axes.pcolormesh(W, B, loss(W[None], B[:, None]), shading="nearest", cmap="cividis", rasterized=True)
    figure.colorbar(mesh, ax=axes, label="loss")
    axes.plot(*way.points.T, color="white", linewidth=0.6, marker="o", markersize=1, label="gradient descent with clip")
    _steps(axes, way)
    axes.set(xlabel="recurrent weight w", ylabel="bias b", xlim=(W[0], W[-1]), ylim=(B[0], B[-1]))
    axes.set_title("Loss of one unit after 50 timesteps, and a step at its cliff", fontsize="medium", loc="left")
    axes.legend(loc="upper right", fontsize="small", facecolor="0.35", labelcolor="white")
    figure.savefig(path, dpi=150)


def _steps(axes: Axes, way: Way) -> None:
    """Both from the same point: the long one leaves the picture."""
    at, (dw, db) = way.points[way.cliff], way.unclipped
    name = f"step without clip, {np.hypot(dw, db):.0f} long"
    axes.plot([at[0], at[0] + dw], [at[1], at[1] + db], color="tab:red", linestyle="--", linewidth=1.5, label=name)
    dw, db = way.clipped
    name = f"step with clip, {np.hypot(dw, db):.2f} long"
    axes.annotate("", at + way.clipped, at, arrowprops={"arrowstyle": "->", "color": "cyan", "linewidth": 1.8})
    axes.plot([], [], color="cyan", linewidth=1.8, label=name)
    axes.plot(*at, color="tab:red", marker="o", markersize=4)


def picture(_: Runs, path: Path) -> None:
    """For the documents."""
    draw(path, descend())


FILES = {"scripts/pictures/cliff.png": picture}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="file of the picture, .png or .svg")
    arguments = parser.parse_args()
    way = descend()
    (w, b), gradient = way.points[way.cliff], way.gradients[way.cliff]
    long, short = (float(np.linalg.norm(step)) for step in (way.unclipped, way.clipped))
    print(f"step {way.cliff} of {STEPS}: w = {w:.4f}, b = {b:.4f}, gradient norm {np.linalg.norm(gradient):.4g}")
    print(f"without a clip it is {long:.4g} long, with the clip {short:.4g}: {long / short:.4g} times")
    print(f"loss there {loss(w, b):.4g}; at the end of the way {loss(*way.points[-1]):.4g}")
    if arguments.out is not None:
        draw(arguments.out, way)
        print(arguments.out)


if __name__ == "__main__":
    main()
