"""A batch of sequences of unequal lengths: its first samples, their steps in reverse, and means over valid steps.

Shapes: T time, B batch, L layers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from seqablate.signals.place import Place

if TYPE_CHECKING:
    from seqablate.models.base import ProbePoint
    from seqablate.tasks.base import Batch

SAMPLES = 32  # of the evaluation data, that diagnostics look at


def first_samples(batch: Batch) -> Batch:
    """Up to SAMPLES samples of a batch of arrays."""
    from seqablate.tasks.base import Batch  # every task comes with it, and whoever draws has no use for them

    lengths = None if batch.lengths is None else batch.lengths[:SAMPLES]
    T = len(batch.x) if lengths is None else int(lengths.max())
    y = batch.y[:SAMPLES] if batch.y.ndim == 1 else np.ascontiguousarray(batch.y[:T, :SAMPLES])
    return Batch(x=np.ascontiguousarray(batch.x[:T, :SAMPLES]), y=y, lengths=lengths)


def last_targets(batch: Batch) -> np.ndarray | None:
    """[B] each sample's last step with a target, of a batch of tensors; None where that is the last step of all."""
    from seqablate.tasks.base import NO_TARGET

    asked = batch.y.cpu().numpy() != NO_TARGET
    if asked.ndim == 1 or asked[-1].all():
        return None
    return len(asked) - 1 - np.asarray(asked[::-1].argmax(0))


def reverse_steps(x_TB: np.ndarray, lengths: np.ndarray | None) -> np.ndarray:
    """Each sample's valid steps in reverse order; NaN behind them."""
    if lengths is None:
        return x_TB[::-1]
    t_T1 = np.arange(len(x_TB))[:, None]
    reversed_TB = np.take_along_axis(x_TB, np.maximum(lengths - 1 - t_T1, 0), axis=0)
    return np.where(t_T1 < lengths, reversed_TB, np.nan)


def in_time(x_TB: np.ndarray, reverse: bool, lengths: np.ndarray | None) -> np.ndarray:
    """Values by timestep, out of a module's own order: a reverse recurrence reads each sample from its end."""
    return reverse_steps(x_TB, lengths) if reverse else x_TB


def batch_mean(norm_TB: np.ndarray, lengths: np.ndarray | None) -> np.ndarray:
    """[T] means over the samples that have this step; NaN where none has, and where one of them is NaN."""
    valid_TB = _valid(norm_TB, lengths)
    count_T = valid_TB.sum(1)
    total_T = np.where(valid_TB, norm_TB, 0.0).sum(1)
    return np.divide(total_T, count_T, out=np.full(len(norm_TB), np.nan), where=count_T > 0)


class LayerNorms:
    """Norms of the gradient at the whole output of each layer, collected over the layers of a stack."""

    def __init__(self) -> None:
        self.found: dict[Place, list[tuple[ProbePoint, float]]] = defaultdict(list)

    def add(self, point: ProbePoint, norm_TB: np.ndarray, lengths: np.ndarray | None) -> None:
        """Norms of the timesteps of one place, valid steps first: whatever is not finite makes the mean so."""
        valid_TB = _valid(norm_TB, lengths if point.timed else None)
        whole_B = np.sqrt((np.where(valid_TB, norm_TB, 0.0) ** 2).sum(0))
        self.found[point.place.over_layers()].append((point, float(whole_B.mean())))

    def profiles(self) -> Iterator[tuple[Place, np.ndarray]]:
        """Place and norms [L] of every stack; of a single layer only where it is all that there is to see."""
        for place, found in self.found.items():
            if len(found) > 1 or not found[0][0].timed:
                yield place, np.array([norm for _, norm in found])


def _valid(norm_TB: np.ndarray, lengths: np.ndarray | None) -> np.ndarray:
    """Whether a step is one of its sample's own; the others are padding, whatever stands there."""
    if lengths is None:
        return np.ones(norm_TB.shape, dtype=bool)
    return np.arange(len(norm_TB))[:, None] < lengths
