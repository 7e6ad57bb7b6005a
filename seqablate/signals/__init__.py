"""What is measured (Signal, of a Place), how it is shown (view) and what is read off it (decay). numpy only."""

from seqablate.signals.decay import FLOORS, Decay, fit_decay
from seqablate.signals.place import Place
from seqablate.signals.signal import Signal
from seqablate.signals.view import Curve, Heatmap, declare

__all__ = ["FLOORS", "Curve", "Decay", "Heatmap", "Place", "Signal", "declare", "fit_decay"]
