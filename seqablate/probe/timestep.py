"""The total gradient of every timestep of any recurrence, torch's or seqablate's, wherever in a model it sits."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

from seqablate.engine.call import parse
from seqablate.engine.fused import run
from seqablate.engine.gradients import Observer
from seqablate.engine.recurrence import Recurrence
from seqablate.probe import views
from seqablate.probe.gradients import CallGradients, ModuleGradients
from seqablate.probe.refusals import check_context, check_model

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

PROBED = (nn.RNNBase, Recurrence)
KERNELS = {getattr(torch._VF, cell): cell for cell in ("rnn_tanh", "rnn_relu", "lstm", "gru")}

# What some probe is watching right now. A second probe would see the first one's kernel calls, not the model's.
_watched: weakref.WeakSet[nn.Module] = weakref.WeakSet()


class TimestepProbe:
    """Records dL/dh_t, and an LSTM's dL/dc_t, of every timestep while its ``with`` block runs.

    The numbers are those of a plain loop of cells with ``retain_grad()`` on every state; outputs and parameter
    gradients stay what they were, to rounding. Inside the block a :class:`torch.overrides.TorchFunctionMode` exchanges
    the recurrent kernel calls that the model makes; nothing is patched. Calls under ``torch.no_grad()`` are not
    recorded, and unbatched input counts as a batch of one. Two limits: a recurrence under gradient checkpointing cannot
    be probed, and on cuDNN the dropout between layers draws another mask than an unprobed call would.

    Args:
        model: any module that is, or holds, ``nn.RNN``, ``nn.LSTM`` or ``nn.GRU``.
        states: ``("h", "c")``, or ``("h",)`` to leave the cell state of LSTMs out, which is cheaper.
        vectors: keep the gradients themselves, not only their norms.

    Raises:
        ValueError: other ``states``.
        TypeError: on entering: the model holds no recurrence, or is compiled, scripted or data-parallel.
        RuntimeError: on entering: the model is being probed already. In a call: it runs inside a ``torch.func``
            transform, a CUDA graph capture or tracing.

    Example:
        >>> model, x_TBI = nn.LSTM(3, 8), torch.randn(20, 4, 3)
        >>> with TimestepProbe(model) as probe:
        ...     output, _ = model(x_TBI)
        ...     output[-1].sum().backward()
        >>> probe[""].total["h"].shape  # [layer, direction, time, batch]
        torch.Size([1, 1, 20, 4])
    """

    def __init__(self, model: nn.Module, states: Sequence[str] = ("h", "c"), vectors: bool = False) -> None:
        if not isinstance(model, nn.Module):
            raise TypeError(f"TimestepProbe takes a torch.nn.Module, not {type(model).__name__}")
        if "h" not in states or not set(states) <= {"h", "c"}:
            raise ValueError(f'states must be ("h",) or ("h", "c"), not {states!r}')
        self._model, self._cell_states, self._vectors = model, "c" in states, vectors
        self._modules = {name: part for name, part in model.named_modules() if isinstance(part, PROBED)}
        self._records: dict[str, ModuleGradients] = {}
        self._calling: list[tuple[str, Tensor | None]] = []
        self._undo: list[RemovableHandle] = []
        self._mode: _KernelMode | None = None
        self._thread = 0

    @property
    def names(self) -> tuple[str, ...]:
        """The probed modules, named as by ``model.named_modules()``: ``""`` when the model itself is the recurrence."""
        return tuple(self._modules)

    def __getitem__(self, name: str) -> ModuleGradients:
        """What was recorded of a module.

        Raises:
            KeyError: no recurrence is called so; the message lists those there are.
        """
        if name not in self._modules:
            raise KeyError(f"no recurrence is called {name!r}; there are: {', '.join(map(repr, self.names))}")
        return self._records.get(name, ModuleGradients(name))

    def __enter__(self) -> TimestepProbe:
        check_model(self._model)
        if not _watched.isdisjoint(self._modules.values()):
            raise RuntimeError("the model is being probed already: leave that TimestepProbe block before the next")
        _watched.update(self._modules.values())
        self._records = {name: ModuleGradients(name) for name in self._modules}
        self._thread = threading.get_ident()
        for name, module in self._modules.items():
            before = self._observe(name) if isinstance(module, Recurrence) else self._before(name)
            self._undo.append(module.register_forward_pre_hook(before, with_kwargs=True))
            self._undo.append(module.register_forward_hook(self._after(name), always_call=True))
        self._mode = _KernelMode(self._kernel_call)
        self._mode.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._mode is not None
        self._mode.__exit__(kind, error, at)
        self._mode = None
        for handle in self._undo:
            handle.remove()
        self._undo.clear()
        self._calling.clear()
        _watched.difference_update(self._modules.values())
        for record in self._records.values():
            for call in record.calls:
                call.close()

    def plot(self, path: str | Path) -> Path:
        """Draw the total norms over the timesteps: the batch mean, one curve per module, layer, direction and state.

        Raises:
            ValueError: the path ends neither in ``.png`` nor in ``.svg``.
            RuntimeError: nothing was recorded.
        """
        return views.plot(self, path)

    def log(self, writer: SummaryWriter, step: int) -> None:
        """Write the same picture to TensorBoard, and log10 of each curve's first and last value as scalars.

        Tags: ``timestep_gradient/profile`` and ``timestep_gradient_log10/<curve>/{first,last}_timestep``.
        """
        views.log(self, writer, step)

    def _observe(self, name: str) -> Callable[..., Any]:
        """A hook that has our own recurrence report to a new record of this call."""

        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any] | None:
            check_context(name)
            if threading.get_ident() != self._thread or not torch.is_grad_enabled():
                return None
            record = CallGradients(name, layers=1, vectors=self._vectors, padding=None, unsorted=None)
            self._records[name].calls.append(record)
            observer = Observer(lambda found: record.add(0, [found]), self._cell_states, self._vectors)
            return args, kwargs | {"observer": observer}

        return hook

    def _before(self, name: str) -> Callable[..., None]:
        """A hook that notes which module makes the kernel call to come, and how its batch was sorted."""

        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            check_context(name)
            if threading.get_ident() != self._thread:  # the mode is this thread's alone
                return
            x = args[0] if args else kwargs.get("input")
            self._calling.append((name, x.unsorted_indices if isinstance(x, PackedSequence) else None))

        return hook

    def _after(self, name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            if threading.get_ident() == self._thread and self._calling and self._calling[-1][0] == name:
                self._calling.pop()

        return hook

    def _kernel_call(self, kernel: Callable[..., Any], cell: str, args: tuple[Any, ...]) -> Any:
        """Make a module's kernel call through the engine, recorded; any other just as it is."""
        if not self._calling or not torch.is_grad_enabled():
            return kernel(*args)
        name, unsorted = self._calling[-1]
        call = parse(cell, args)
        record = CallGradients(name, len(call.layers), self._vectors, call.padding(), unsorted)
        self._records[name].calls.append(record)
        return run(kernel, call, record.add, cell_states=self._cell_states)


class _KernelMode(TorchFunctionMode):
    """Sends recurrent kernel calls to ``receive(kernel, cell, args)`` and lets every other function through."""

    def __init__(self, receive: Callable[..., Any]) -> None:
        super().__init__()
        self._receive = receive

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        cell = KERNELS.get(func)
        return func(*args, **(kwargs or {})) if cell is None else self._receive(func, cell, args)
