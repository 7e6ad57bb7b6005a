"""Evaluation: loss and scores over a fixed split, and a sample of text. Never touches the training state."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from seqablate.record.schema import Results
from seqablate.streams import stream
from seqablate.tasks.base import Task
from seqablate.training.parts import Parts
from seqablate.training.step import forward, sample_losses


@torch.no_grad()
def evaluate(parts: Parts, split: str, task: Task | None = None) -> Results:
    """Results on ``"evaluation"`` or ``"test"`` data; a mean over sequences, summed in float64.

    A task whose loss is not finite is not solved.

    Args:
        parts: of the run.
        split: of the data.
        task: the run's task at another length; None: as it is.
    """
    task = task or parts.task
    totals: dict[str, torch.Tensor] = {}
    count, state = 0, None
    for arrays in task.eval_batches(split):
        batch = arrays.tensors(parts.device, parts.dtype)
        output, losses, state = forward(parts.model, task, batch, state, generator=None)
        values = {"loss": sample_losses(losses, batch), **task.scores(output, batch)}
        for name, value_B in values.items():
            totals[name] = totals.get(name, 0) + value_B.sum(dtype=torch.float64)
        count += len(values["loss"])
    means = {name: float(total) / count for name, total in totals.items()}
    loss = means.pop("loss")
    metrics = task.summarise(loss, means)
    return Results(loss=loss, metrics=metrics, solved=math.isfinite(loss) and task.solved(metrics))


def sample_text(parts: Parts, step: int) -> str | None:
    """A sample from a language model (None for other tasks), from a stream of its own."""
    return parts.task.sample(_next_logits(parts), stream(parts.config.seed, "sample", step))


def _next_logits(parts: Parts) -> Callable[[np.ndarray, Any], tuple[np.ndarray, Any]]:
    """One token at a time; a model without a state is shown all tokens so far, up to the task's horizon."""

    @torch.no_grad()
    def next_logits(tokens_11: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        seen = isinstance(state, np.ndarray)
        tokens_T1 = np.concatenate([state, tokens_11])[-parts.task.spec.horizon :] if seen else tokens_11
        carried = None if seen else state
        output_T1V, state = parts.model(torch.from_numpy(tokens_T1).to(parts.device), None, carried, None)
        return output_T1V[-1, 0].double().cpu().numpy(), tokens_T1 if state is None else state

    return next_logits
