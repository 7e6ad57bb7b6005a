"""The gradient of every timestep of any recurrence, wherever in a model it sits, and of any other module's output."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

from seqablate.engine.call import Padding, parse
from seqablate.engine.fused import run
from seqablate.engine.gradients import Observer
from seqablate.engine.recurrence import Recurrence
from seqablate.probe import views
from seqablate.probe.gradients import CallGradients, ModuleGradients
from seqablate.probe.outputs import NamedOutput, listen, read_outputs, replaced
from seqablate.probe.refusals import check_context, check_model

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

PROBED = (nn.RNNBase, Recurrence)
KERNELS = {getattr(torch._VF, cell): cell for cell in ("rnn_tanh", "rnn_relu", "lstm", "gru")}

# What some probe is watching right now. A second probe would see the first one's kernel calls, not the model's.
_watched: weakref.WeakSet[nn.Module] = weakref.WeakSet()


class TimestepProbe:
    """Records the gradient of every timestep of a model's recurrences and of named outputs while its block runs.

    **Recurrences** (``nn.RNN``, ``nn.LSTM``, ``nn.GRU``, :class:`~seqablate.engine.recurrence.Recurrence`) are found by
    themselves: dL/dh_t, and an LSTM's dL/dc_t. The numbers are those of a plain loop of cells with ``retain_grad()`` on
    every state; outputs and parameter gradients stay what they were, to rounding. While one runs, a
    :class:`torch.overrides.TorchFunctionMode` exchanges its kernel calls; nothing is patched. Unbatched input counts as
    a batch of one. On cuDNN the dropout between layers draws another mask than an unprobed call would.

    **Outputs** are named: the gradient that ``retain_grad()`` on what the module returns would hold, norms over all
    dimensions but time and batch. It is total: of a layer that returns its residual stream it is dL/d(stream behind
    that layer). Outputs and parameter gradients stay what they were, to the bit. A tuple counts by its first tensor; an
    output that requires no gradient is not recorded; one that is a view of the module's input may not be changed in
    place.

    Calls under ``torch.no_grad()`` are not recorded, nor are those that ``torch.utils.checkpoint`` makes again (let it
    use ``use_reentrant=False``).

    Args:
        model: any module.
        states: ``("h", "c")``, or ``("h",)`` to leave the cell state of LSTMs out, which is cheaper.
        vectors: keep the gradients themselves, not only their norms.
        outputs: name of a module, as in ``model.named_modules()`` -> layout of its output, a letter for each dimension:
            ``T`` timestep, ``B`` batch, any other is reduced over. Without a T it is a layer of a deep net, with one
            gradient for each sample.

    Raises:
        ValueError: other ``states``; a layout without exactly one B, or with two T; an output that is a recurrence. In
            a call: the output has other dimensions than its layout.
        KeyError: no module has a name in ``outputs``.
        TypeError: on entering: there is nothing to probe, or the model is compiled, scripted or data-parallel. In a
            call: a named output is no floating-point tensor.
        RuntimeError: on entering: the model is being probed already. In a call: it runs inside a ``torch.func``
            transform, a CUDA graph capture or tracing.

    Example:
        >>> model, x_TBI = nn.LSTM(3, 8), torch.randn(20, 4, 3)
        >>> with TimestepProbe(model) as probe:
        ...     output, _ = model(x_TBI)
        ...     output[-1].sum().backward()
        >>> probe[""].total["h"].shape  # [layer, direction, time, batch]
        torch.Size([1, 1, 20, 4])

        >>> layers = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 3, enable_nested_tensor=False)
        >>> with TimestepProbe(layers, outputs={f"layers.{n}": "TBD" for n in range(3)}) as probe:
        ...     layers(torch.randn(20, 4, 8))[-1].sum().backward()
        >>> probe["layers.0"].total["h"].shape
        torch.Size([1, 1, 20, 4])
    """

    def __init__(
        self,
        model: nn.Module,
        states: Sequence[str] = ("h", "c"),
        vectors: bool = False,
        outputs: Mapping[str, str] | None = None,
    ) -> None:
        if not isinstance(model, nn.Module):
            raise TypeError(f"TimestepProbe takes a torch.nn.Module, not {type(model).__name__}")
        if "h" not in states or not set(states) <= {"h", "c"}:
            raise ValueError(f'states must be ("h",) or ("h", "c"), not {states!r}')
        self._model, self._cell_states, self._vectors = model, "c" in states, vectors
        modules = dict(model.named_modules())
        self._modules = {name: part for name, part in modules.items() if isinstance(part, PROBED)}
        self._outputs = read_outputs({} if outputs is None else outputs, modules, self._modules)
        self._modules |= {name: modules[name] for name in self._outputs}
        self._records: dict[str, ModuleGradients] = {}
        self._modes: list[tuple[str, _KernelMode]] = []
        self._undo: list[RemovableHandle] = []
        self._thread = 0

    @property
    def names(self) -> tuple[str, ...]:
        """The probed modules, named as by ``model.named_modules()``: recurrences, then outputs as they were named.

        ``""`` is the model itself.
        """
        return tuple(self._modules)

    def __getitem__(self, name: str) -> ModuleGradients:
        """What was recorded of a module.

        Raises:
            KeyError: no probed module is called so; the message lists those there are.
        """
        if name not in self._modules:
            raise KeyError(f"no probed module is called {name!r}; there are: {', '.join(map(repr, self.names))}")
        return self._records.get(name) or self._new_record(name)

    def __enter__(self) -> TimestepProbe:
        check_model(self._model, self._outputs)
        if not _watched.isdisjoint(self._modules.values()):
            raise RuntimeError("the model is being probed already: leave that TimestepProbe block before the next")
        _watched.update(self._modules.values())
        self._records = {name: self._new_record(name) for name in self._modules}
        self._thread = threading.get_ident()
        for name, module in self._modules.items():
            if name in self._outputs:
                hook = self._listen(self._outputs[name])
                self._undo.append(module.register_forward_hook(hook, with_kwargs=True))
            elif isinstance(module, Recurrence):
                self._undo.append(module.register_forward_pre_hook(self._observe(name), with_kwargs=True))
            else:
                self._undo.append(module.register_forward_pre_hook(self._before(name), with_kwargs=True))
                self._undo.append(module.register_forward_hook(self._after(name), always_call=True))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        while self._modes:  # left by what torch does not send through hooks: Ctrl-C
            self._modes.pop()[1].__exit__(kind, error, at)
        for handle in self._undo:
            handle.remove()
        self._undo.clear()
        _watched.difference_update(self._modules.values())
        for record in self._records.values():
            for call in record.calls:
                call.close()

    def plot(self, path: str | Path) -> Path:
        """Draw the total norms, batch means: over the timesteps, one curve per module, layer, direction and state.

        Outputs without a T are one curve over the layers, in the order named; with curves of both kinds, beside them.

        Raises:
            ValueError: the path ends neither in ``.png`` nor in ``.svg``.
            RuntimeError: nothing was recorded.
        """
        return views.plot(self, path)

    def log(self, writer: SummaryWriter, step: int) -> None:
        """Write the same picture to TensorBoard, and log10 of each curve's first and last value as scalars.

        Tags: ``timestep_gradient/profile``, ``timestep_gradient_log10/<curve>/{first,last}_timestep`` and, of outputs
        without a T, ``timestep_gradient_log10/depth/{first,last}_layer``.
        """
        views.log(self, writer, step)

    def _new_record(self, name: str) -> ModuleGradients:
        return ModuleGradients(name, self._outputs[name].layout if name in self._outputs else None)

    def _is_recorded(self, name: str) -> bool:
        """Whether the call under way is one to record: on this thread, with gradients. Some are refused outright."""
        check_context(name)
        return threading.get_ident() == self._thread and torch.is_grad_enabled()

    def _new_call(
        self, name: str, layers: int = 1, padding: Padding | None = None, unsorted: Tensor | None = None
    ) -> CallGradients:
        """A record for the call under way; of one that a backward pass makes again, nobody will see it."""
        call = CallGradients(name, layers, self._vectors, padding, unsorted)
        if not _in_backward():
            self._records[name].calls.append(call)
        return call

    def _listen(self, named: NamedOutput) -> Callable[..., Any]:
        """A hook that listens to the gradient of what a module returns."""

        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
            if not self._is_recorded(named.name) or _in_backward():
                return None
            tensor = named.find(output)
            if not tensor.requires_grad:
                return None
            call = self._new_call(named.name)
            heard, handle = listen(tensor, (args, kwargs), lambda g: call.add(0, [named.gradients(g, self._vectors)]))
            if handle is not None:
                self._undo.append(handle)
            return None if heard is tensor else replaced(output, tensor, heard)

        return hook

    def _observe(self, name: str) -> Callable[..., Any]:
        """A hook that has our own recurrence report to a new record of this call."""

        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any] | None:
            if not self._is_recorded(name):
                return None
            call = self._new_call(name)
            observer = Observer(lambda found: call.add(0, [found]), self._cell_states, self._vectors)
            return args, kwargs | {"observer": observer}

        return hook

    def _before(self, name: str) -> Callable[..., None]:
        """A hook that lets the module's kernel call come to :meth:`_kernel_call`, with how its batch was sorted."""

        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            if not self._is_recorded(name):
                return
            x = args[0] if args else kwargs.get("input")
            unsorted = x.unsorted_indices if isinstance(x, PackedSequence) else None
            mode = _KernelMode(partial(self._kernel_call, name, unsorted))
            mode.__enter__()
            self._modes.append((name, mode))

        return hook

    def _after(self, name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            if threading.get_ident() == self._thread and self._modes and self._modes[-1][0] == name:
                self._modes.pop()[1].__exit__(None, None, None)

        return hook

    def _kernel_call(
        self, name: str, unsorted: Tensor | None, kernel: Callable[..., Any], cell: str, args: tuple[Any, ...]
    ) -> Any:
        """Make a module's kernel call through the engine, recorded."""
        parsed = parse(cell, args)
        call = self._new_call(name, len(parsed.layers), parsed.padding(), unsorted)
        return run(kernel, parsed, call.add, cell_states=self._cell_states)


def _in_backward() -> bool:
    """Whether a backward pass is under way: then a call of a module is gradient checkpointing's, made once more."""
    return torch._C._current_graph_task_id() != -1


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
