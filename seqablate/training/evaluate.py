"""Evaluation: loss and scores over a fixed split, and a sample of text. Never touches the training state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from seqablate.streams import stream
from seqablate.training.parts import Parts
from seqablate.training.step import forward, sample_losses


@dataclass(frozen=True, slots=True)
class Results:
    """Mean loss, every metric by name, and whether they meet the task's criterion."""

    loss: float
    metrics: dict[str, float]
    solved: bool


@torch.no_grad()
def evaluate(parts: Parts, split: str) -> Results:
    """Results on ``"evaluation"`` or ``"test"`` data; a mean over sequences, summed in float64."""
    totals: dict[str, torch.Tensor] = {}
    count, state = 0, None
    for arrays in parts.task.eval_batches(split):
        batch = arrays.tensors(parts.device, parts.dtype)
        output, losses, state = forward(parts.model, parts.task, batch, state, generator=None)
        values = {"loss": sample_losses(losses), **parts.task.scores(output, batch)}
        for name, value_B in values.items():
            totals[name] = totals.get(name, 0) + value_B.sum(dtype=torch.float64)
        count += len(values["loss"])
    means = {name: float(total) / count for name, total in totals.items()}
    loss = means.pop("loss")
    metrics = parts.task.summarise(loss, means)
    return Results(loss=loss, metrics=metrics, solved=parts.task.solved(metrics))


def sample_text(parts: Parts, step: int) -> str | None:
    """A sample from a language model (None for other tasks), from a stream of its own."""
    return parts.task.sample(_next_logits(parts), stream(parts.config.seed, "sample", step))


def _next_logits(parts: Parts) -> Callable[[np.ndarray, Any], tuple[np.ndarray, Any]]:
    @torch.no_grad()
    def next_logits(tokens_11: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        output_11V, state = parts.model(torch.from_numpy(tokens_11).to(parts.device), None, state, None)
        return output_11V[0, 0].double().cpu().numpy(), state

    return next_logits
