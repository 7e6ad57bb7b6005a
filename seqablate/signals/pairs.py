"""Two axes of time: the gradient of each loss step with respect to each timestep of an encoder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from seqablate.signals.schema import Signal

PAIRS = "Gradient of each loss step with respect to h(t)"


def last_pairs(signals: Iterable[Signal]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What ``quantity="pair"`` held when it was last measured, as a matrix for each place.

    Returns:
        Label of a place -> its loss steps [S], increasing, and the gradient norms [S, T] at T timesteps. Empty where
        nothing of the kind was measured.
    """
    found = _known(signals)
    rows: dict[str, list[Signal]] = defaultdict(list)
    for signal in found:
        if signal.step == found[-1].step:
            rows[signal.label].append(signal)
    return {
        label: (np.array([int(row.loss_step) for row in at]), np.stack([row.values for row in at]))
        for label, at in rows.items()
    }


def last_pairs_step(signals: Iterable[Signal]) -> int:
    """The training step of :func:`last_pairs`, where there are any."""
    return _known(signals)[-1].step


def _known(signals: Iterable[Signal]) -> list[Signal]:
    return [signal for signal in signals if signal.quantity == "pair" and np.isfinite(signal.values).any()]
