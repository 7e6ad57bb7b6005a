"""Losses and scores of the synthetic tasks. Shapes: T time, B batch, O outputs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from seqablate.tasks.base import Batch


@dataclass(frozen=True, slots=True)
class Regression:
    """Squared error of one real number after the last step.

    ``wrong`` is the share of samples whose absolute error is at least ``tolerance``.
    """

    tolerance: float

    def step_losses(self, output_BO: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Squared error [B]."""
        return (output_BO[:, 0] - batch.y) ** 2

    def scores(self, output_BO: torch.Tensor, batch: Batch) -> dict[str, torch.Tensor]:
        """``mse``, ``abs_error`` and ``wrong`` [B]."""
        error_B = (output_BO[:, 0] - batch.y).abs()
        return {"mse": error_B**2, "abs_error": error_B, "wrong": (error_B >= self.tolerance).to(error_B.dtype)}


@dataclass(frozen=True, slots=True)
class Classification:
    """Cross-entropy (nats) of a class after the last step, or at every step.

    ``scored_steps`` says how many steps at the end count for the accuracy when there is a target at every step.
    """

    scored_steps: int | None = None

    def step_losses(self, output: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Cross-entropy [B] from output [B, O], or [T, B] from [T, B, O]."""
        losses = F.cross_entropy(output.flatten(0, -2), batch.y.flatten(), reduction="none")
        return losses.view(batch.y.shape)

    def scores(self, output: torch.Tensor, batch: Batch) -> dict[str, torch.Tensor]:
        """``accuracy`` [B]: the share of scored steps predicted rightly."""
        right = (output.argmax(-1) == batch.y).to(output.dtype)
        return {"accuracy": right if right.dim() == 1 else right[-(self.scored_steps or len(right)) :].mean(0)}
