"""Which runs take the compiled step, and why another does not.

The plain step (``training/step.py``) does everything, and is what a reader should read first. The compiled step makes
the same update, within rounding, at a fraction of the cost that a small model has beside its arithmetic.
"""

from __future__ import annotations

from typing import Any

from seqablate.regularizer.base import Regularizer
from seqablate.tasks.base import ByObjective
from seqablate.tasks.objectives import Classification, Regression
from seqablate.training.compiled.optimizers import UPDATES
from seqablate.training.parts import Parts

LOSSES = Regression.step_losses, Classification.step_losses


def refusal(parts: Parts) -> str | None:
    """Why a run does not take the compiled step; None if it does.

    ======================  ==================================================================================
    part                    compiled step
    ======================  ==================================================================================
    backend, threads        ``compiled`` (the default on a CPU), one thread
    model                   recurrent with kernels, one direction; no dropout, skip, dilation or norm
    task                    loss of one number or of classes, at the last step or at each; no carried state
    clip                    none, norm, value
    regularizer             none
    optim                   sgd, momentum, adam, adamw, rmsprop, adagrad
    ======================  ==================================================================================
    """
    checks = {
        "backend": parts.backend == "compiled" and parts.config.threads == 1,
        "model": _plain(parts.model),
        "task": _known_loss(parts),
        "clip": parts.clip.bound() is not None,
        "regularizer": type(parts.regularizer) is Regularizer,
        "optim": type(parts.optimizer) in UPDATES,
    }
    missing = [part for part, fits in checks.items() if not fits]
    return f"the plain step is taken: {', '.join(missing)}" if missing else None


def _plain(model: Any) -> bool:
    """Whether the model is a stack of recurrences on kernels and nothing else, all of it trained."""
    stack = model.plain_stack() if hasattr(model, "plain_stack") else None
    if stack is None or not all(parameter.requires_grad for parameter in model.parameters()):
        return False
    cells = [recurrence.cell for recurrence in stack.recurrences.values()]
    return all(cell.kernels is not None and cell.recurrent == "full" for cell in cells)


def _known_loss(parts: Parts) -> bool:
    task = parts.task
    return (
        isinstance(task, ByObjective)
        and type(task).step_losses is ByObjective.step_losses
        and type(task.objective).step_losses in LOSSES
        and not task.spec.carries_state
    )
