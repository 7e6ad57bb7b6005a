"""One training step, as pieces: forward, backward, clip, update. Shapes: T time, B batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from seqablate.clip.base import ClipResult, global_norm
from seqablate.diagnostics.look import Records
from seqablate.engine.ports import Clipping
from seqablate.engine.setup import clipped_states
from seqablate.engine.subnormals import flushed
from seqablate.optim.guess import RandomGuess
from seqablate.regularizer.base import Measure, Penalty, add
from seqablate.streams import stream_seed
from seqablate.tasks.base import NO_TARGET, Batch, Task
from seqablate.training.parts import Parts
from seqablate.training.skip import MADE, skip

# Columns of a step's measurements, in the order in which they are stacked.
COLUMNS = ("loss", "grad_norm", "grad_norm_clipped", "clipped", "update_ratio", "skipped", "penalty", "penalty_norm")


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """What a step leaves behind.

    Args:
        measured: the values of COLUMNS in float64, one tensor on the device (nothing has waited for it).
        weight: of the penalty; None without one.
        guessed: whether all weights were drawn anew, by a random guess.
        carried: the state the next step starts from, or None.
        lengths: [B] valid steps of the batch's samples, or None when all are.
        seen: the gradient norms of every timestep by module, where they were wanted.
    """

    measured: torch.Tensor
    weight: float | None
    guessed: bool
    carried: Any
    lengths: np.ndarray | None
    seen: Records | None = None


def sample_losses(step_losses: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Each sample's own loss [B]: what the task gives, or of [T, B] the mean over its steps with a target."""
    if step_losses.dim() == 1:
        return step_losses
    return step_losses.sum(0) / (batch.y != NO_TARGET).sum(0)


def forward(
    model: Any, task: Task, batch: Batch, state: Any, generator: torch.Generator | None
) -> tuple[torch.Tensor, torch.Tensor, Any]:
    """Output, losses by sample (and step), and the state to carry on with (None unless the task carries one)."""
    start = state if task.spec.carries_state and not batch.reset else None
    output, new_state = model(batch.x, batch.lengths, start, generator)
    return output, task.step_losses(output, batch), detach(new_state) if task.spec.carries_state else None


def detach(state: Any) -> Any:
    """The same nested state, cut from its graph: truncated backpropagation ends here."""
    if state is None or isinstance(state, torch.Tensor):
        return None if state is None else state.detach()
    return type(state)(detach(part) for part in state)


def train_step(
    parts: Parts, step: int, task: Task, carried: Any, probe: AbstractContextManager[Any], measure_update: bool
) -> StepOutcome:
    """Update the parameters once.

    Args:
        parts: the run.
        step: number of updates made so far; selects the batch, the dropout masks and the learning rate.
        task: the run's, at the length of this step.
        carried: state from the step before, or None.
        probe: entered around forward and backward (a TimestepProbe, or nullcontext).
        measure_update: also measure ||update|| / ||parameters|| (costs a copy of the parameters); NaN otherwise, and
            of a skipped step.
    """
    arrays = task.train_batch(step)
    batch = arrays.tensors(parts.device, parts.dtype)
    set_learning_rate(parts, step)
    for parameter in parts.parameters:
        parameter.grad = None
    parameters, guessing = parts.parameters, parts.guessing
    with flushed(parts.device):  # what has vanished would make every operation slow
        with probe, clipping(parts, arrays) as inside, parts.regularizer.watching(parts.model) as measure:
            output, losses, after = forward(parts.model, task, batch, carried, dropout_generator(parts, step))
            loss = sample_losses(losses, batch).mean()
            if not guessing or not isinstance(probe, nullcontext):
                loss.backward(retain_graph=parts.regularizer.again)
        if guessing:
            parts.optimizer.zero_grad()
        penalty = None if measure is None else _penalise(parts, step, measure, batch)
        clip = _no_gradient(loss) if guessing else parts.clip(parameters)
        before = [p.detach().clone() for p in parameters] if measure_update else None
        guessed = guessing and _guess(parts, step, task, output, losses, batch)
        skipped = MADE if guessing else skip(parts.config, loss, clip.norm_before)
        if not skipped:
            parts.optimizer.step()
        ratio = update_ratio(before, parameters) if before and not skipped else loss.new_full((), float("nan"))
    clipped = clip.clipped if inside is None else clip.clipped | inside.acted
    values = [loss.detach(), clip.norm_before, clip.norm_after, clipped, ratio]
    values.append(torch.full_like(ratio, skipped))
    values += [torch.zeros_like(ratio)] * 2 if penalty is None else [penalty.value, penalty.grad_norm]
    measured = torch.stack([value.double() for value in values])  # a norm may be beyond the range of float32
    if guessed:
        after = None  # what other weights carried may be not finite, and would then never be finite again
    return StepOutcome(
        measured, None if penalty is None else penalty.weight, guessed, carried if skipped else after, arrays.lengths
    )


def set_learning_rate(parts: Parts, step: int) -> None:
    """That of the schedule at this step, in the optimizer."""
    factor = parts.schedule.factor(step, parts.config.steps)
    for group in parts.optimizer.param_groups:
        group["lr"] = group["initial_lr"] * factor


def _no_gradient(loss: torch.Tensor) -> ClipResult:
    """Of a step that takes no gradient, on the device of its loss."""
    zero = loss.new_zeros((), dtype=torch.float64)
    return ClipResult(norm_before=zero, norm_after=zero, clipped=zero.bool())


def _guess(parts: Parts, step: int, task: Task, output: torch.Tensor, losses: torch.Tensor, batch: Batch) -> bool:
    """Draw all weights anew, unless they meet the goal of the task on this batch; whether they were drawn.

    Weights whose loss is not finite do not meet it.
    """
    scores = {name: float(value_B.double().mean()) for name, value_B in task.scores(output.detach(), batch).items()}
    loss = float(sample_losses(losses.detach(), batch).double().mean())
    if math.isfinite(loss) and task.solved(task.summarise(loss, scores)):
        return False
    assert isinstance(parts.optimizer, RandomGuess)
    parts.optimizer.guess(stream_seed(parts.config.seed, "guess", step))
    return True


def _penalise(parts: Parts, step: int, measure: Measure, batch: Batch) -> Penalty:
    """Add the gradient of the regularizer's penalty to that of the loss."""
    steps_T1 = torch.arange(len(batch.x), device=parts.device)[:, None]
    valid_TB = None if batch.lengths is None else steps_T1 < batch.lengths
    return add(measure(valid_TB), parts.config.regularizer.factor(step, parts.config.steps))


def clipping(parts: Parts, batch: Batch) -> AbstractContextManager[Clipping | None]:
    """Clips the states of the model's recurrences, if the run's clip does, in a backward pass of the training loss."""
    return clipped_states(parts.model, parts.clip.inside(batch.x.shape[1]))


def dropout_generator(parts: Parts, step: int) -> torch.Generator:
    """Where the dropout masks of one step come from: the same whenever this step is made again."""
    return torch.Generator(parts.device).manual_seed(stream_seed(parts.config.seed, "dropout", step))


@torch.no_grad()
def update_ratio(before: list[torch.Tensor], after: Sequence[torch.Tensor]) -> torch.Tensor:
    """``||after - before|| / ||before||``, over all entries of all tensors."""
    return global_norm(torch._foreach_sub(list(after), before)) / global_norm(before)
