"""What is said to all recurrences of a model at once: what runs them, and what watches and clips their gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import torch
from torch import nn

from seqablate.engine.backends import compiled
from seqablate.engine.ports import Clipping, Observer, StateClip
from seqablate.engine.recurrence import Recurrence, choose_backend, refusal


def set_backend(model: nn.Module, backend: str, device: torch.device, clip: StateClip | None = None) -> str:
    """Fix what runs the recurrences of a model, so that nothing can change it under way.

    Args:
        model: its modules of class :class:`Recurrence` are set.
        backend: a name in ``BACKENDS``, or ``"auto"`` for :func:`choose_backend`.
        device: where the model will run.
        clip: of the states' gradients, where there will be one.

    Returns:
        The names in use, joined by ``+`` where recurrences differ; ``"none"`` without any.

    Raises:
        ValueError: a recurrence cannot run there; the message says why and what can.
    """
    names = []
    for module in model.modules():
        if isinstance(module, Recurrence):
            module.backend = choose_backend(module, device, clip) if backend == "auto" else backend
            if reason := refusal(module.backend, module, device, clip):
                raise ValueError(reason)
            names.append(module.backend)
    return "+".join(sorted(set(names))) or "none"


def prepare(model: nn.Module, announce: Callable[[str], None], clip: StateClip | None = None) -> None:
    """Have the code of every recurrence of a model ready, so that the first step does not wait for a compiler.

    Args:
        model: what :func:`set_backend` has seen.
        announce: told what is about to be compiled, such as ``"lstm kernels for float32"``.
        clip: as of :func:`set_backend`.
    """
    found = {
        (module.cell.name, module.weight_ih.dtype, module.layer_norm, module.time_skip > 0): module.cell
        for module in model.modules()
        if isinstance(module, Recurrence) and module.backend == "compiled"
    }
    for (name, dtype, layer_norm, time_skip), cell in found.items():
        kernels = f"{name} kernels for {str(dtype).removeprefix('torch.')}"
        compiled.prepare(cell, dtype, layer_norm, time_skip, clip, partial(announce, kernels))


@contextmanager
def clipped_states(model: nn.Module, clip: StateClip | None) -> Iterator[Clipping | None]:
    """Have the gradient of every state of a model's recurrences clipped, in backward passes through calls made inside.

    Args:
        model: its modules of class :class:`Recurrence` are clipped.
        clip: what to do; None: nothing.

    Yields:
        Whether it acted, as :class:`~seqablate.engine.ports.Clipping`; None without a clip.
    """
    clipping = None if clip is None else Clipping(clip)
    cells = [module for module in model.modules() if isinstance(module, Recurrence)]
    for cell in cells:
        cell.clipping = clipping
    try:
        yield clipping
    finally:
        for cell in cells:
            cell.clipping = None


@contextmanager
def watched(observers: Mapping[Recurrence, Observer]) -> Iterator[None]:
    """Have each of these recurrences tell its observer the gradients of every call made inside, beside any probe."""
    for cell, observer in observers.items():
        cell.watcher = observer
    try:
        yield
    finally:
        for cell in observers:
            cell.watcher = None
