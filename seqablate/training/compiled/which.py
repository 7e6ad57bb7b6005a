"""Which runs take the compiled step, and why another does not.

The plain step (``training/step.py``) does everything, and is what a reader should read first. The compiled step makes
the same update, within rounding, at a fraction of the cost that a small model has beside its arithmetic.
"""

from __future__ import annotations

from typing import Any

import torch

from seqablate.engine.backends.compiled import threads_help
from seqablate.engine.recurrence import Recurrence
from seqablate.regularizer.base import Regularizer
from seqablate.tasks.base import ByObjective
from seqablate.tasks.objectives import Classification, Regression
from seqablate.training.compiled.optimizers import known
from seqablate.training.parts import Parts

WIDE = 4e6  # as THREADED of the kernels, where several threads have to be quicker than the compiled step
LOSSES = Regression.step_losses, Classification.step_losses


def refusal(parts: Parts) -> str | None:
    """Why a run does not take the compiled step; None if it does. The README of ``training/`` has this as a table."""
    checks = {
        "backend": parts.backend == "compiled" and (parts.config.threads == 1 or not _wide(parts)),
        "model": _plain(parts.model),
        "task": _known_loss(parts),
        "clip": parts.clip.bound() is not None,
        "regularizer": type(parts.regularizer) is Regularizer,
        "optim": known(parts.optimizer) and _trained(parts) == set(parts.model.parameters()),
    }
    missing = [part for part, fits in checks.items() if not fits]
    return f"the plain step is taken: {', '.join(missing)}" if missing else None


def _plain(model: Any) -> bool:
    """Whether the model is a stack of recurrences on kernels and nothing else.

    A class that has a forward pass of its own does not say so by a method that it inherits, and what is hung on a
    module or on a parameter changes what the model computes.
    """
    tells = next((cls for cls in type(model).__mro__ if "plain_stack" in vars(cls)), None)
    if tells is None or type(model).forward is not vars(tells).get("forward") or (stack := model.plain_stack()) is None:
        return False
    cells = [recurrence.cell for recurrence in stack.recurrences.values()]
    return not _altered(model) and all(cell.kernels is not None and cell.recurrent == "full" for cell in cells)


def _wide(parts: Parts) -> bool:
    """Whether more threads help a layer so much that the plain step, which uses them, is quicker."""
    layers = [m for m in parts.model.modules() if isinstance(m, Recurrence) and m.cell.recurrent == "full"]
    return any(threads_help(parts.config.batch_size, layer.weight_hh, WIDE) for layer in layers)


def _altered(model: torch.nn.Module) -> bool:
    """Whether a module or a parameter has hooks, a parameter is made of others, or one stands in two places."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    modules, named = list(model.modules()), list(model.named_parameters(remove_duplicate=False))
    return (
        any(getattr(module, name) for module in modules for name in hooks)
        or any(torch.nn.utils.parametrize.is_parametrized(module) for module in modules)
        or any(p._backward_hooks or p._post_accumulate_grad_hooks for _, p in named)
        or len(named) > len(list(model.parameters()))
    )


def _trained(parts: Parts) -> set[torch.nn.Parameter]:
    return {p for group in parts.optimizer.param_groups for p in group["params"] if p.requires_grad}


def _known_loss(parts: Parts) -> bool:
    task = parts.task
    return (
        isinstance(task, ByObjective)
        and type(task).step_losses is ByObjective.step_losses
        and type(task.objective).step_losses in LOSSES
        and not task.spec.carries_state
    )
