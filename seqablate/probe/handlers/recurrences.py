"""Recording the calls of nn.RNN, nn.LSTM, nn.GRU and of our own Recurrence.

Shapes: T time, B batch, D hidden (or projected), L layers, S directions.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence
from torch.overrides import TorchFunctionMode

from seqablate.engine.backends import stack
from seqablate.engine.backends import torch as torch_kernels
from seqablate.engine.backends.torch_call import KernelCall, parse
from seqablate.engine.ports import Observer
from seqablate.engine.recurrence import Recurrence
from seqablate.probe.gradients import CallGradients
from seqablate.probe.handlers.links import Links
from seqablate.probe.hooks import Forward
from seqablate.probe.session import Session

KERNELS = {getattr(torch._VF, cell): cell for cell in ("rnn_tanh", "rnn_relu", "lstm", "gru")}


class TorchRecurrence:
    """The handler of an ``nn.RNN``, ``nn.LSTM`` or ``nn.GRU``: its kernel calls go through the engine."""

    def __init__(self, name: str, session: Session) -> None:
        self.name, self.session, self.links = name, session, Links()

    def __call__(self, forward: Forward, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not self.session.records_call(self.name):
            return forward(*args, **kwargs)
        args, kwargs = with_state("hx", self.links.taken_in, args, kwargs)
        x = args[0] if args else kwargs.get("input")
        packed = x if isinstance(x, PackedSequence) else None
        calls: list[CallGradients] = []
        with _KernelMode(partial(self._kernel_call, calls, packed)):
            result = forward(*args, **kwargs)
        if len(calls) == 1:
            self._link(calls[0], packed, result)
        return result

    def _kernel_call(
        self,
        calls: list[CallGradients],
        packed: PackedSequence | None,
        kernel: Callable[..., Any],
        cell: str,
        args: tuple[Any, ...],
    ) -> Any:
        """Make a module's kernel call through the engine and record it."""
        parsed = parse(cell, args)
        unsorted = None if packed is None else packed.unsorted_indices
        call = self.session.new_call(
            self.name,
            len(parsed.layers),
            dtype=parsed.x.dtype,
            rebuilt=True,
            padding=parsed.padding(),
            unsorted=unsorted,
        )
        calls.append(call)
        device = parsed.x.device.type
        dtype = _autocast_dtype(cell, parsed)
        parsed = parsed if dtype is None else _in_float32(parsed)
        run = stack.run if dtype is None and stack.fits(parsed) else torch_kernels.run
        with nullcontext() if dtype is None else torch.autocast(device, enabled=False):
            results = run(kernel, parsed, call.add, cell_states=self.session.cell_states, carried=call.carried)
        call.watch_passes(results)
        return results if dtype is None else tuple(result.to(dtype) for result in results)

    def _link(self, call: CallGradients, packed: PackedSequence | None, result: Any) -> None:
        """Register the results of the call: (output, h_n) or (output, (h_n, c_n))."""
        if not isinstance(result, tuple) or len(result) != 2:
            return
        output, finals = result
        finals = (finals,) if isinstance(finals, Tensor) else finals
        data = output.data if isinstance(output, PackedSequence) else output
        if not isinstance(finals, tuple) or not all(isinstance(part, Tensor) for part in (data, *finals)):
            return
        self.links.returned(call, (data, *finals), finals, partial(_to_kernel, packed))


class OwnRecurrence:
    """The handler of a :class:`~seqablate.engine.recurrence.Recurrence`, which takes an observer."""

    def __init__(self, name: str, session: Session, module: Recurrence) -> None:
        self.name, self.session, self.links = name, session, Links()
        self.dtype = module.weight_ih.dtype
        self.last_steps = max(1, module.time_skip, module.dilation)  # which the states that it returns are of

    def __call__(self, forward: Forward, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not self.session.records_call(self.name):
            return forward(*args, **kwargs)
        args, kwargs = with_state("state", self.links.taken_in, args, kwargs)
        call = self.session.new_call(self.name, dtype=self.dtype, rebuilt=True)
        call.last_steps = self.last_steps
        observer = Observer(
            lambda found: call.add(0, [found]), self.session.cell_states, self.session.vectors, call.carried
        )
        output, finals = forward(*args, **kwargs | {"observer": observer})
        call.watch_passes((output, *finals))
        self.links.returned(call, (output, *finals), finals, lambda gradient: gradient)
        return output, finals


def with_state(
    keyword: str, change: Callable[[Any], Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a call, with another initial state: the second one, or the one of that keyword."""
    if len(args) > 1:
        return (args[0], change(args[1]), *args[2:]), kwargs
    return args, kwargs | {keyword: change(kwargs[keyword])} if keyword in kwargs else kwargs


def _to_kernel(packed: PackedSequence | None, gradient: Tensor) -> Tensor:
    """A gradient of a returned h_n or c_n as the kernel has it: with a batch dimension, in the packed batch's order."""
    if packed is not None and packed.sorted_indices is not None:
        return gradient.index_select(1, packed.sorted_indices)
    return gradient[:, None] if gradient.dim() == 2 else gradient


def _autocast_dtype(cell: str, call: KernelCall) -> torch.dtype | None:
    """The type that the kernel returns under autocast, if that is not the type of its weights."""
    device = call.x.device.type
    if not torch.is_autocast_enabled(device) or call.layers[0][0].w_ih.dtype != torch.float32:
        return None
    return torch.float32 if (device, cell) == ("cpu", "gru") else torch.get_autocast_dtype(device)


def _in_float32(call: KernelCall) -> KernelCall:
    """The layers of a call run one by one here, so autocast would mix two precisions in one kernel."""
    return replace(call, x=call.x.float(), hx=tuple(state.float() for state in call.hx))


class _KernelMode(TorchFunctionMode):
    """Sends recurrent kernel calls to ``receive(kernel, cell, args)`` and leaves every other function alone."""

    def __init__(self, receive: Callable[..., Any]) -> None:
        super().__init__()
        self._receive = receive

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        cell = KERNELS.get(func)
        return func(*args, **(kwargs or {})) if cell is None else self._receive(func, cell, args)
