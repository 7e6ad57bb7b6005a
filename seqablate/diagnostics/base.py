"""What a diagnostic is: something measured of a model while it learns. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(kw_only=True, slots=True)
class Diagnostic:
    """Abstract: what is measured of a model while it learns. Keys are the fields that a subclass adds."""
