"""The profile: the gradient of the training loss with respect to every timestep."""

from __future__ import annotations

from dataclasses import dataclass

from seqablate.config.registry import variant
from seqablate.diagnostics.base import Diagnostic


@variant("diagnostic", "profile")
@dataclass(kw_only=True, slots=True)
class Profile(Diagnostic):
    """Gradient norm of the training loss at every timestep, in the training step itself."""
