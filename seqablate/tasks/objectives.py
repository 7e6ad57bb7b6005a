"""Losses and scores of the tasks. Shapes: T time, S the last steps (those with a target), B batch, O outputs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F

from seqablate.tasks.base import NO_TARGET, Batch


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
    """Cross-entropy (nats) of a class after the last step, at every step, or at the last S steps of a transduction.

    Targets are [B] for output [B, O], and [S, B] for output [S, B, O] or [T, B, O]: steps before the last S, which only
    read the source, have no loss. Nor does a step whose target is NO_TARGET: a sample's loss and scores are means over
    its other steps.

    Args:
        scored_steps: how many steps at the end count for the accuracy (None: all with a target).
        exact: also score the whole sequence: 1 where every scored step is right.
    """

    scored_steps: int | None = None
    exact: bool = False

    def step_losses(self, output: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Cross-entropy, shaped as the targets: [B] or [S, B]; 0 at a step without one."""
        logits, y = _answers(output, batch).flatten(0, -2), batch.y
        return F.cross_entropy(logits, y.flatten(), ignore_index=NO_TARGET, reduction="none").view(y.shape)

    def scores(self, output: torch.Tensor, batch: Batch) -> dict[str, torch.Tensor]:
        """``accuracy`` [B], the share of scored steps predicted rightly; ``exact`` [B] if asked for."""
        right = _answers(output, batch).argmax(-1) == batch.y
        if right.dim() == 1:
            return {"accuracy": right.to(output.dtype)}
        y_SB = batch.y[-(self.scored_steps or len(right)) :]
        right_SB, asked_SB = right[-len(y_SB) :], y_SB != NO_TARGET
        exact = {"exact": (right_SB | ~asked_SB).all(0).to(output.dtype)} if self.exact else {}
        return {"accuracy": right_SB.sum(0).to(output.dtype) / asked_SB.sum(0), **exact}


@dataclass(frozen=True, slots=True)
class LastClasses(Classification):
    """Cross-entropy of all classes; the accuracy counts only the last ones, as if no others could be answered.

    Args:
        classes: how many of the classes.
    """

    classes: int = 1

    def scores(self, output: torch.Tensor, batch: Batch) -> dict[str, torch.Tensor]:
        """As :meth:`Classification.scores`, of the steps whose target is one of the last classes."""
        y = batch.y - (output.shape[-1] - self.classes)
        asked = replace(batch, y=torch.where(y >= 0, y, NO_TARGET))
        return Classification.scores(self, output[..., -self.classes :], asked)


def _answers(output: torch.Tensor, batch: Batch) -> torch.Tensor:
    """The outputs that have a target: all, or those of the last S steps (a slice of all would cost a copy backward)."""
    return output if len(output) == len(batch.y) else output[-len(batch.y) :]
