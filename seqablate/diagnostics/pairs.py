"""Pairs: the gradient of each loss step of a decoder at each timestep of its encoder."""

from __future__ import annotations

from dataclasses import dataclass

from seqablate.config.registry import variant
from seqablate.diagnostics.base import Diagnostic


@variant("diagnostic", "pairs")
@dataclass(kw_only=True, slots=True)
class Pairs(Diagnostic):
    """Gradient norm of each loss step of a decoder at each timestep of its encoder, at evaluations."""
