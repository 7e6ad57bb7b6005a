"""What a probe cannot measure: it is rejected with its name, rather than measured wrongly."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import nn

from seqablate.engine.recurrence import Recurrence

RECURRENCES = (nn.RNNBase, Recurrence)
CELLS = (nn.RNNCell, nn.LSTMCell, nn.GRUCell)


def check_model(model: nn.Module, outputs: Collection[str]) -> None:
    """Refuse a model whose calls cannot be watched.

    Raises:
        TypeError: the model holds no recurrence and no cell and no ``outputs`` are named, or it is, or holds, a
            compiled, scripted or data-parallel module.
    """
    for name, part in model.named_modules():
        where = f"submodule {name!r}" if name else "the model"
        if isinstance(part, torch.jit.ScriptModule):
            raise TypeError(f"{where} is a torch.jit.ScriptModule, whose calls cannot be watched: probe it unscripted")
        # An OptimizedModule is known by its home: importing torch._dynamo to ask would take seconds.
        if type(part).__module__.startswith("torch._dynamo") or part._compiled_call_impl is not None:
            raise TypeError(
                f"{where} is compiled, and torch.compile hides its calls: probe the module before compiling"
            )
        if isinstance(part, nn.DataParallel):
            raise TypeError(f"{where} is an nn.DataParallel, which calls copies: probe its .module on one device")
    if not outputs and not any(isinstance(part, (*RECURRENCES, *CELLS)) for part in model.modules()):
        raise TypeError(
            f"{type(model).__name__} holds no nn.RNN, nn.LSTM, nn.GRU (or a cell of these) and no Recurrence: there is "
            "nothing to probe unless outputs= names modules and the layout of what they return, such as "
            'outputs={"fc": "BD"}'
        )


def check_context(name: str) -> None:
    """Refuse a call of module ``name`` that is being transformed, captured or traced.

    Raises:
        RuntimeError: inside a ``torch.func`` transform, a CUDA graph capture, or tracing.
    """
    context = None
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        context = "traced (torch.compile, torch.export, torch.jit.trace)"
    elif torch._C._are_functorch_transforms_active():
        context = "called inside a torch.func transform (grad, vmap, ...)"
    elif torch.cuda.is_initialized() and torch.cuda.is_current_stream_capturing():
        context = "captured in a CUDA graph"
    if context is not None:
        raise RuntimeError(f"TimestepProbe cannot record {name!r} while it is {context}: call it plainly in the block")
