"""From a probed backward pass to signals: profiles over timesteps and over layers, and the lag curve of one loss step.

Shapes: T time, B batch, K lag, L layers. Every norm is that of one sample's gradient of its own loss.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from seqablate.engine.subnormals import flushed
from seqablate.models.base import ProbePoint
from seqablate.probe import TimestepProbe
from seqablate.signals import Place, Signal
from seqablate.tasks.base import Batch
from seqablate.training.parts import Parts
from seqablate.training.step import clipping, dropout_generator, forward, sample_losses

LAG_SAMPLES = 32  # sequences behind a lag curve
PAIR_STEPS = 32  # loss steps, at most, whose gradients at the timesteps of an encoder are told apart


def make_probe(parts: Parts, step: int) -> TimestepProbe | None:
    """A probe where one is due."""
    every = parts.config.probe.every
    due = every and step % every == 0 and _chosen(parts, "profile", "layers")
    return new_probe(parts) if due else None


def _chosen(parts: Parts, *names: str) -> bool:
    """Whether any of these diagnostics is measured in this run."""
    return any(name in parts.config.diagnostic for name in names)


def new_probe(parts: Parts) -> TimestepProbe:
    """A probe of every place of the model."""
    outputs = {point.name: point.layout for point in parts.model.probe_points if point.layout is not None}
    return TimestepProbe(parts.model, outputs=outputs)


def profile_signals(parts: Parts, probe: TimestepProbe, step: int, lengths: np.ndarray | None) -> list[Signal]:
    """Total and direct norms per timestep, and norms per layer, of a training step's backward pass.

    A layer's norm (quantity "layer") is that of the gradient at its whole output, all timesteps together, as it arrives
    from the layers above. Of a recurrence that is the direct part alone: what flows back through its own later
    timesteps belongs to time, not to depth.

    The training loss is a mean over B samples, so each sample's gradient is B times what arrived.
    ``lengths`` are the batch's valid steps [B], None when all are.
    """
    signals, layers = [], _Layers()
    for point in parts.model.probe_points:
        found = probe[point.name]
        for quantity, norms in (("total", found.total), ("direct", found.direct)):
            for state, norm_11TB in norms.items():
                norm_TB = _in_time(norm_11TB, point, lengths)
                norm_TB = norm_TB * norm_TB.shape[1]
                if state == "h" and (quantity == "direct" or not found.direct):
                    layers.add(point, norm_TB, lengths)
                if point.timed:
                    place, values = replace(point.place, state=state), _batch_mean(norm_TB, lengths)
                    signals.append(Signal(step=step, quantity=quantity, place=place, values=values))
    if not _chosen(parts, "profile"):
        signals = []
    if not _chosen(parts, "layers"):
        return signals
    return signals + [Signal(step=step, quantity="layer", place=at, values=values) for at, values in layers.profiles()]


class _Layers:
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


def _one_step(s: int, losses: torch.Tensor) -> torch.Tensor:
    return losses[s].sum()


def _backward(
    parts: Parts,
    batch: Batch,
    loss_of: Callable[[torch.Tensor], torch.Tensor],
    carried: Any = None,
    generator: torch.Generator | None = None,
) -> TimestepProbe:
    """A probe that has seen one forward and backward pass; no gradient stays in the parameters."""
    with flushed(parts.device), new_probe(parts) as probe:
        _, losses, _ = forward(parts.model, parts.task, batch, carried, generator)
        loss_of(losses).backward()
    parts.optimizer.zero_grad(set_to_none=True)
    return probe


def final_profile(parts: Parts, step: int, carried: Any) -> list[Signal]:
    """The profile at the last step: a backward pass on the batch that would come next, without an update."""
    if not parts.config.probe.every or not _chosen(parts, "profile", "layers"):
        return []
    arrays = parts.task.train_batch(step)
    batch = arrays.tensors(parts.device, parts.dtype)
    with clipping(parts, arrays):
        probe = _backward(
            parts, batch, lambda losses: sample_losses(losses).mean(), carried, dropout_generator(parts, step)
        )
    return profile_signals(parts, probe, step, arrays.lengths)


def lag_signals(parts: Parts, step: int) -> list[Signal]:
    """The gradient of the last loss step over the distance from it, on evaluation data.

    Over time (quantity "lag"): dJ(t)/dh(t-k) for k = 0, 1, ... (Pascanu et al. 2013, eq. 5). Over depth ("depth_lag"),
    if the layers have no time axis: dJ/dh(L-1-k). A reverse recurrence ends at timestep 0, so its steps back from there
    ("path_lag") are no distances in time from the last loss step. Only if every step has a loss does the last loss step
    read its first step, at the last timestep: then its timestep t-k is at lag k as everywhere else.
    """
    if not parts.config.probe.every or not _chosen(parts, "lag"):
        return []
    batch = _first_samples(next(parts.task.eval_batches("evaluation"))).tensors(parts.device, parts.dtype)
    probe = _backward(parts, batch, lambda losses: (losses if losses.dim() == 1 else losses[-1]).sum())
    lengths = None if batch.lengths is None else batch.lengths.cpu().numpy()
    signals, layers = [], _Layers()
    for point in parts.model.probe_points:
        reverse = point.place.direction == "reverse"
        # A module's own order is already that of the lag for a reverse recurrence whose first step the loss reads.
        reads_first = reverse and not point.lag and parts.task.spec.every_step
        quantity = "path_lag" if reverse and not reads_first else "lag"
        for state, norm_11TB in probe[point.name].total.items():
            norm_TB = _norms(norm_11TB)
            if not point.timed:
                layers.add(point, norm_TB, None)
                continue
            values = _batch_mean(norm_TB if reads_first else reverse_steps(norm_TB, lengths), lengths)
            values = np.concatenate([np.full(point.lag, np.nan), values])
            place = replace(point.place, state=state)
            signals.append(Signal(step=step, quantity=quantity, place=place, loss_step="last", values=values))
    return signals + [
        Signal(step=step, quantity="depth_lag", place=at, loss_step="last", values=values[::-1])
        for at, values in layers.profiles()
    ]


def pair_signals(parts: Parts, step: int) -> list[Signal]:
    """The gradient of ONE loss step at every timestep of an encoder, for each loss step; on evaluation data.

    An encoder is what stands ``lag`` steps before the model's end (:class:`ProbePoint`); h of its top layer is
    measured. Without an encoder, or without a probe, there are none.
    """
    encoder = [point for point in parts.model.probe_points if point.lag]
    if not encoder or not parts.config.probe.every or not _chosen(parts, "pairs"):
        return []
    top = max(point.place.layer or 0 for point in encoder)
    batch = _first_samples(next(parts.task.eval_batches("evaluation"))).tensors(parts.device, parts.dtype)
    rows: dict[Place, list[np.ndarray]] = defaultdict(list)
    loss_steps = np.unique(np.linspace(0, len(batch.y) - 1, PAIR_STEPS).round().astype(int))
    for s in loss_steps:
        # A forward pass each: through one call of a compiled recurrence, two backward passes cannot be told apart.
        probe = _backward(parts, batch, partial(_one_step, int(s)))
        for point in encoder:
            if point.place.layer == top:
                norm_TB = _in_time(probe[point.name].total["h"], point, None)
                rows[point.place].append(_batch_mean(norm_TB, None))
    parts.optimizer.zero_grad(set_to_none=True)
    return [
        Signal(step=step, quantity="pair", place=place, loss_step="each", values=np.stack(found, 1), at=loss_steps)
        for place, found in rows.items()
    ]


def reverse_steps(x_TB: np.ndarray, lengths: np.ndarray | None) -> np.ndarray:
    """Each sample's valid steps in reverse order; NaN behind them."""
    if lengths is None:
        return x_TB[::-1]
    t_T1 = np.arange(len(x_TB))[:, None]
    reversed_TB = np.take_along_axis(x_TB, np.maximum(lengths - 1 - t_T1, 0), axis=0)
    return np.where(t_T1 < lengths, reversed_TB, np.nan)


def _in_time(norm_11TB: torch.Tensor, point: ProbePoint, lengths: np.ndarray | None) -> np.ndarray:
    """A module's norms [1, 1, T, B] by timestep (a reverse recurrence counts its own steps)."""
    norm_TB = _norms(norm_11TB)
    return reverse_steps(norm_TB, lengths) if point.place.direction == "reverse" else norm_TB


def _norms(norm_11TB: torch.Tensor) -> np.ndarray:
    """[T, B] in float64, in which no sum or square of float32 norms overflows or vanishes."""
    return norm_11TB[0, 0].double().cpu().numpy()


def _valid(norm_TB: np.ndarray, lengths: np.ndarray | None) -> np.ndarray:
    """Whether a step is one of its sample's own; the others are padding, whatever stands there."""
    if lengths is None:
        return np.ones(norm_TB.shape, dtype=bool)
    return np.arange(len(norm_TB))[:, None] < lengths


def _batch_mean(norm_TB: np.ndarray, lengths: np.ndarray | None) -> np.ndarray:
    """[T] means over the samples that have this step; NaN where none has, and where one of them is NaN."""
    valid_TB = _valid(norm_TB, lengths)
    count_T = valid_TB.sum(1)
    total_T = np.where(valid_TB, norm_TB, 0.0).sum(1)
    return np.divide(total_T, count_T, out=np.full(len(norm_TB), np.nan), where=count_T > 0)


def _first_samples(batch: Batch) -> Batch:
    """Up to LAG_SAMPLES samples of a batch of arrays."""
    lengths = None if batch.lengths is None else batch.lengths[:LAG_SAMPLES]
    T = len(batch.x) if lengths is None else int(lengths.max())
    y = batch.y[:LAG_SAMPLES] if batch.y.ndim == 1 else np.ascontiguousarray(batch.y[:T, :LAG_SAMPLES])
    return Batch(x=np.ascontiguousarray(batch.x[:T, :LAG_SAMPLES]), y=y, lengths=lengths)
