"""Which runs take the compiled step, and why another does not.

The plain step (``training/step.py``) does everything, and is what a reader should read first. The compiled step makes
the same update, within rounding, at a fraction of the cost that a small model has beside its arithmetic.
"""

from __future__ import annotations

from dataclasses import replace

from seqablate.clip.none import NoClip
from seqablate.clip.norm import NormClip
from seqablate.clip.value import ValueClip
from seqablate.engine.recurrence import Recurrence
from seqablate.models.choices import Norm, Skip
from seqablate.models.recurrent.model import RecurrentModel
from seqablate.regularizer.base import Regularizer
from seqablate.tasks.base import ByObjective
from seqablate.tasks.objectives import Classification, Regression
from seqablate.training.compiled.optimizers import UPDATES
from seqablate.training.parts import Parts

CLIPS = NoClip, NormClip, ValueClip
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
        "model": type(parts.model) is RecurrentModel and _plain(parts.model),
        "task": _known_loss(parts),
        "clip": type(parts.clip) in CLIPS,
        "regularizer": type(parts.regularizer) is Regularizer,
        "optim": type(parts.optimizer) in UPDATES,
    }
    missing = [part for part, fits in checks.items() if not fits]
    return f"the plain step is taken: {', '.join(missing)}" if missing else None


def _plain(model: RecurrentModel) -> bool:
    """Whether the model is a stack of recurrences on kernels and nothing else, all of it trained."""
    shape = model.stack.shape
    plain = replace(shape, bidirectional=False, dropout=0.0, norm=Norm.none, skip=Skip.none, time_skip=0, dilation=1)
    cells = [module for module in model.modules() if isinstance(module, Recurrence)]
    return (
        shape == plain
        and all(cell.cell.kernels is not None and cell.cell.recurrent == "full" for cell in cells)
        and all(parameter.requires_grad for parameter in model.parameters())
    )


def _known_loss(parts: Parts) -> bool:
    task = parts.task
    return (
        isinstance(task, ByObjective)
        and type(task).step_losses is ByObjective.step_losses
        and type(task.objective).step_losses in LOSSES
        and not task.spec.carries_state
    )
