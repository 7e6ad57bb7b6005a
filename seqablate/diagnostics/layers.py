"""The layer profile: the gradient of the training loss at the output of each layer."""

from __future__ import annotations

from dataclasses import dataclass

from seqablate.config.registry import variant
from seqablate.diagnostics.base import Diagnostic


@variant("diagnostic", "layers")
@dataclass(kw_only=True, slots=True)
class Layers(Diagnostic):
    """Gradient norm of the training loss at the output of each layer, in the training step itself."""
