"""What a probe yields (schema) and what is read off it (decay). numpy only."""

from seqablate.signals.decay import FLOORS, Decay, fit_decay
from seqablate.signals.schema import Signal

__all__ = ["FLOORS", "Decay", "Signal", "fit_decay"]
