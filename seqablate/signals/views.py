"""The views of the quantities that are measured here."""

from __future__ import annotations

from seqablate.signals.view import Curve, Heatmap, declare

LEAST_LAYERS = 4  # over fewer a heatmap shows nothing that the curves do not

LAG = Curve(
    quantity="lag",
    tag="lag_curve",
    title="Gradient of the last loss step with respect to {state}(t−k)",
    xlabel="lag k (timesteps before the loss)",
    axis="the lag",
    index="k",
    decay=True,
    live=False,
)
PATH = Curve(
    quantity="path_lag",
    tag="path_curve",
    file="path",
    title="Reverse direction: gradient of the last loss step with respect to its h, by its own steps",
    xlabel="steps k of the reverse direction back from its end at timestep 0",
    axis="the reverse direction's own steps",
    index="k",
    decay=True,
    live=False,
)
DEPTH = Curve(
    quantity="depth_lag",
    tag="depth_curve",
    file="depth",
    title="Gradient of the last loss step with respect to the output of each layer, from the top",
    xlabel="layers below the top",
    axis="the layers below the top",
    index="k",
    decay=True,
    live=False,
    aside=True,  # the layer profile, seen from the other end
)
PROFILE = Curve(
    quantity="total",
    tag="profile",
    file="profile",
    title="Gradient of the training loss with respect to {state}(t)",
    history=1,
)
DIRECT = Curve(
    quantity="direct",
    tag="direct_profile",
    title="Direct part of the gradient of the training loss with respect to {state}(t)",
    live=False,
    aside=True,
)
LAYERS = Curve(
    quantity="layer",
    tag="layer_profile",
    file="layers",
    title="Gradient of the training loss with respect to the output of each layer",
    xlabel="layer",
    axis="the layer",
    index="layer",
    history=LEAST_LAYERS,
)
PAIR = Heatmap(
    quantity="pair",
    tag="pair",
    title="Gradient of each loss step with respect to h(t)",
    xlabel="encoder timestep t",
    ylabel="decoder step s (whose loss it is)",
    unit="‖dJ(s)/dh(t)‖",
    live=False,
    relative=True,
)
declare(LAG, PATH, DEPTH, PROFILE, DIRECT, LAYERS, PAIR)
