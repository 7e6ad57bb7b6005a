"""From a probed backward pass to signals: profiles over timesteps, and the lag curve of one loss step.

Shapes: T time, B batch, K lag. Every norm is that of one sample's gradient of its own loss.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from seqablate.models.base import Place
from seqablate.probe import TimestepProbe
from seqablate.signals import Signal
from seqablate.tasks.base import Batch
from seqablate.training.parts import Parts
from seqablate.training.step import dropout_generator, forward, sample_losses

LAG_SAMPLES = 32  # sequences behind a lag curve


def make_probe(parts: Parts, step: int) -> TimestepProbe | None:
    """A probe where one is due."""
    every = parts.config.probe.every
    return TimestepProbe(parts.model) if every and step % every == 0 else None


def profile_signals(parts: Parts, probe: TimestepProbe, step: int, lengths: np.ndarray | None) -> list[Signal]:
    """Total and direct norms per timestep of a training step's backward pass.

    The training loss is a mean over B samples, so each sample's gradient is B times what arrived.
    ``lengths`` are the batch's valid steps [B], None when all are.
    """
    signals = []
    for recurrence in parts.model.recurrences:
        module = probe[recurrence.name]
        for quantity, norms in (("total", module.total), ("direct", module.direct)):
            for state, norm_11TB in norms.items():
                norm_TB = _in_time(norm_11TB, recurrence, lengths)
                values = _batch_mean(norm_TB * norm_TB.shape[1])
                signals.append(_signal(parts, step, recurrence, quantity, state, "all", "timestep", values))
    return signals


def final_profile(parts: Parts, step: int, carried: Any) -> list[Signal]:
    """The profile at the last step: a backward pass on the batch that would come next, without an update."""
    if not parts.config.probe.every:
        return []
    arrays = parts.task.train_batch(step)
    batch = arrays.tensors(parts.device, parts.dtype)
    with TimestepProbe(parts.model) as probe:
        _, losses, _ = forward(parts.model, parts.task, batch, carried, dropout_generator(parts, step))
        sample_losses(losses).mean().backward()
    parts.optimizer.zero_grad(set_to_none=True)
    return profile_signals(parts, probe, step, arrays.lengths)


def lag_signals(parts: Parts, step: int) -> list[Signal]:
    """dJ(t)/dh(t-k) for k = 0, 1, ..., with t the last loss step (Pascanu et al. 2013, eq. 5), on evaluation data."""
    if not parts.config.probe.every:
        return []
    batch = _first_samples(next(parts.task.eval_batches("evaluation"))).tensors(parts.device, parts.dtype)
    with TimestepProbe(parts.model) as probe:
        _, losses, _ = forward(parts.model, parts.task, batch, None, generator=None)
        (losses if losses.dim() == 1 else losses[-1]).sum().backward()
    parts.optimizer.zero_grad(set_to_none=True)
    lengths = None if batch.lengths is None else batch.lengths.cpu().numpy()
    signals = []
    for recurrence in parts.model.recurrences:
        # Its module's own order is that of the lag for a reverse recurrence under an every-step loss, whose last loss
        # step is its first; otherwise the loss follows all of its steps.
        in_lag_order = recurrence.direction == "reverse" and parts.task.spec.every_step
        for state, norm_11TB in probe[recurrence.name].total.items():
            norm_TB = norm_11TB[0, 0].cpu().numpy()
            values = _batch_mean(norm_TB if in_lag_order else reverse_steps(norm_TB, lengths))
            signals.append(_signal(parts, step, recurrence, "lag", state, "last", "lag", values))
    return signals


def reverse_steps(x_TB: np.ndarray, lengths: np.ndarray | None) -> np.ndarray:
    """Each sample's valid steps back to front; NaN behind them."""
    if lengths is None:
        return x_TB[::-1]
    t_T1 = np.arange(len(x_TB))[:, None]
    reversed_TB = np.take_along_axis(x_TB, np.maximum(lengths - 1 - t_T1, 0), axis=0)
    return np.where(t_T1 < lengths, reversed_TB, np.nan)


def _in_time(norm_11TB: torch.Tensor, recurrence: Place, lengths: np.ndarray | None) -> np.ndarray:
    """A module's norms [1, 1, T, B] in real time, padding NaN (a reverse recurrence counts its own steps)."""
    norm_TB = norm_11TB[0, 0].cpu().numpy()
    if recurrence.direction == "reverse":
        return reverse_steps(norm_TB, lengths)
    return norm_TB if lengths is None else np.where(np.arange(len(norm_TB))[:, None] < lengths, norm_TB, np.nan)


def _batch_mean(norm_TB: np.ndarray) -> np.ndarray:
    """[T] means over the samples that have this step; NaN where none has."""
    known_TB = ~np.isnan(norm_TB)
    count_T = known_TB.sum(1)
    total_T = np.where(known_TB, norm_TB, 0.0).sum(1)
    return np.divide(total_T, count_T, out=np.full(len(norm_TB), np.nan), where=count_T > 0)


def _first_samples(batch: Batch) -> Batch:
    """Up to LAG_SAMPLES samples of a batch of arrays."""
    lengths = None if batch.lengths is None else batch.lengths[:LAG_SAMPLES]
    T = len(batch.x) if lengths is None else int(lengths.max())
    y = batch.y[:LAG_SAMPLES] if batch.y.ndim == 1 else np.ascontiguousarray(batch.y[:T, :LAG_SAMPLES])
    return Batch(x=np.ascontiguousarray(batch.x[:T, :LAG_SAMPLES]), y=y, lengths=lengths)


def _signal(
    parts: Parts, step: int, at: Place, quantity: str, state: str, loss_step: str, axis: str, values: np.ndarray
) -> Signal:
    return Signal(
        step=step,
        quantity=quantity,
        module=parts.model.label,
        layer=at.layer,
        direction=at.direction,
        state=state,
        loss_step=loss_step,
        axis=axis,
        values=values,
    )
