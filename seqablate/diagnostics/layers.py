"""The layer profile: the gradient of the training loss at the whole output of each layer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seqablate.config.registry import variant
from seqablate.diagnostics.base import TrainingDiagnostic
from seqablate.diagnostics.batches import LayerNorms
from seqablate.signals.signal import Signal
from seqablate.signals.view import Curve

if TYPE_CHECKING:
    from seqablate.diagnostics.look import ProbedPass

LEAST_LAYERS = 4  # over fewer a heatmap shows nothing that the curves do not
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


@variant("diagnostic", "layers")
@dataclass(kw_only=True, slots=True)
class Layers(TrainingDiagnostic):
    """Gradient norm of the training loss at the output of each layer, in the training step itself.

    That is ||dL/dh|| of all timesteps of a layer together, as it arrives from the layers above. Of a recurrence that is
    the direct part alone: what flows back through its own later timesteps belongs to time, not to depth.
    """

    views = (LAYERS,)

    def measure(self, seen: ProbedPass) -> Iterator[Signal]:
        """A curve [L] of each part and direction that has several layers."""
        layers = LayerNorms()
        for point in seen.points:
            norms = seen.direct(point) or seen.total(point)
            layers.add(point, norms["h"], seen.lengths)
        for place, values in layers.profiles():
            yield Signal(step=seen.step, quantity="layer", place=place, values=values)
