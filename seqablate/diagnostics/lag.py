"""The lag curve: the gradient of the last loss step over the distance from it."""

from __future__ import annotations

from dataclasses import dataclass

from seqablate.config.registry import variant
from seqablate.diagnostics.base import Diagnostic


@variant("diagnostic", "lag")
@dataclass(kw_only=True, slots=True)
class Lag(Diagnostic):
    """Gradient norm of the last loss step by the distance from it (Pascanu et al. 2013), at evaluations."""
