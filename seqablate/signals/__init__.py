"""What a probe yields (schema) and what is read off it (decay). numpy only."""

from seqablate.signals.decay import Decay, fit_decay
from seqablate.signals.schema import Signal

__all__ = ["Decay", "Signal", "fit_decay"]
