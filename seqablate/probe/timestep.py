"""The gradient of every timestep of any recurrence in a model, and of any other module's output."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, overload

from torch import nn
from torch.utils.hooks import RemovableHandle

from seqablate.engine.recurrence import Recurrence
from seqablate.probe import report, views
from seqablate.probe.handlers.cells import Cell
from seqablate.probe.handlers.outputs import Output, read_outputs
from seqablate.probe.handlers.recurrences import OwnRecurrence, TorchRecurrence
from seqablate.probe.hooks import Handler, Watch
from seqablate.probe.modules import ModuleGradients
from seqablate.probe.names import Names
from seqablate.probe.refusals import CELLS, RECURRENCES, check_model
from seqablate.probe.session import Session

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from torch.utils.tensorboard import SummaryWriter


class TimestepProbe:
    """Records the gradient of every timestep of a model's recurrences and of named outputs while its block runs.

    **Recurrences** (``nn.RNN``, ``nn.LSTM``, ``nn.GRU``, :class:`~seqablate.engine.recurrence.Recurrence`) are found by
    themselves: dL/dh_t, and an LSTM's dL/dc_t. The numbers are those of a plain loop of cells with ``retain_grad()`` on
    every state; outputs and parameter gradients stay what they were, to rounding (under autocast: to that of the lower
    precision). While one runs, a :class:`torch.overrides.TorchFunctionMode` exchanges its kernel calls. Unbatched input
    counts as a batch of one. On cuDNN the dropout between layers draws another mask than an unprobed call would.

    **Cells** (``nn.RNNCell``, ``nn.LSTMCell``, ``nn.GRUCell``) are found as well, each call being a timestep: what
    ``retain_grad()`` on the returned h and c would hold. (On a GPU, where an LSTMCell is one kernel, that is for c
    without what reaches it through its own h. The direct part of c is NaN where a later call took h in.)

    **Outputs** are named: the gradient that ``retain_grad()`` on what the module's ``forward`` returns, before any
    forward hook, would hold; norms over all dimensions but time and batch. It is total: of a layer that returns its
    residual stream it is dL/d(stream behind that layer). Outputs and parameter gradients stay what they were, to the
    bit. A tuple counts by its first tensor; an output that requires no gradient is not recorded; one that is a view of
    the module's input may not be changed in place. A cell may be named too, and is then an output.

    Calls are seen whether they are ``module(x)`` or ``module.forward(x)``, under every name that a module has. Nothing
    is added to the modules: they can be copied and saved inside the block, and copies are not recorded. Calls under
    ``torch.no_grad()`` are not recorded, nor are those that ``torch.utils.checkpoint`` makes again (let it use
    ``use_reentrant=False``), nor is anything under :meth:`pause`.

    Args:
        model: any module.
        states: ``("h", "c")``, or ``("h",)`` to leave the cell state of LSTMs out, which is cheaper.
        vectors: keep the gradients themselves, not only their norms.
        outputs: name of a module, as in ``model.named_modules()`` -> layout of its output, a letter for each dimension:
            ``T`` timestep, ``B`` batch, any other is reduced over. Without a T it is a layer of a deep net, with one
            gradient for each sample.

    Raises:
        ValueError: other ``states``; a layout without exactly one B, or with two T; an output that is a recurrence; two
            layouts for one module. In a call: the output has other dimensions than its layout.
        KeyError: no module has a name in ``outputs``.
        TypeError: on entering: there is nothing to probe, or the model is compiled, scripted or data-parallel. In a
            call: a named output is no floating-point tensor.
        RuntimeError: on entering: the model is being probed already. In a call: it runs inside a ``torch.func``
            transform, a CUDA graph capture or tracing.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> model, x_TBI = nn.LSTM(3, 8), torch.randn(20, 4, 3)
        >>> with TimestepProbe(model) as probe:
        ...     output, _ = model(x_TBI)
        ...     output[-1].sum().backward()
        >>> probe[""].total["h"].shape  # [layer, direction, time, batch]
        torch.Size([1, 1, 20, 4])

        >>> layers = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 3, enable_nested_tensor=False)
        >>> with TimestepProbe(layers, outputs={f"layers.{n}": "TBD" for n in range(3)}) as probe:
        ...     layers(torch.randn(20, 4, 8))[-1].sum().backward()
        >>> list(probe), probe["layers.0"].total["h"].shape
        (['layers.0', 'layers.1', 'layers.2'], torch.Size([1, 1, 20, 4]))
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
        self._names = Names(model)
        recurrences = {name: part for name, part in self._names.modules.items() if isinstance(part, RECURRENCES)}
        self._outputs = read_outputs({} if outputs is None else outputs, self._names, recurrences)
        cells = {name: part for name, part in self._names.modules.items() if isinstance(part, CELLS)}
        self._modules: dict[str, nn.Module] = recurrences | {n: c for n, c in cells.items() if n not in self._outputs}
        self._modules |= {name: self._names.modules[name] for name in self._outputs}
        self._session = Session({}, self._cell_states, vectors, open=False)
        self._watch: Watch | None = None
        self._undo: list[RemovableHandle] = []

    @property
    def names(self) -> tuple[str, ...]:
        """The probed modules, named as by ``model.named_modules()``: recurrences, cells, then outputs as named.

        ``""`` is the model itself. A module with several names is listed under its first.
        """
        return tuple(self._modules)

    def keys(self) -> tuple[str, ...]:
        """As :attr:`names`, so that ``dict(probe)`` holds every record."""
        return self.names

    def items(self) -> Iterator[tuple[str, ModuleGradients]]:
        """Each of :attr:`names` with what was recorded of it."""
        return ((name, self[name]) for name in self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._names.first(name) in self._modules

    def __getitem__(self, name: str) -> ModuleGradients:
        """What was recorded of a module, by any of its names.

        Raises:
            KeyError: no probed module is called so; the message lists those there are.
        """
        first = self._names.first(name)
        if first not in self._modules:
            raise KeyError(f"no probed module is called {name!r}; there are: {', '.join(map(repr, self.names))}")
        return self._session.records.get(first) or self._new_record(first)

    def __enter__(self) -> TimestepProbe:
        check_model(self._model, self._outputs)
        session = Session({name: self._new_record(name) for name in self._modules}, self._cell_states, self._vectors)
        self._watch = Watch({module: self._handler(name, session) for name, module in self._modules.items()})
        self._session = session
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._watch is not None:
            self._watch.end()
        for handle in self._undo:
            handle.remove()
        self._undo.clear()
        self._session.close()

    def pause(self) -> AbstractContextManager[None]:
        """Record nothing for a while: neither calls of the model nor backward passes through earlier ones.

        So one of several backward passes is measured alone, such as that of the loss without a gradient penalty.

        Example:
            >>> import torch
            >>> model, x_TBI = torch.nn.GRU(3, 8), torch.randn(20, 4, 3, requires_grad=True)
            >>> with TimestepProbe(model) as probe:
            ...     loss = model(x_TBI)[0][-1].sum()
            ...     (slope,) = torch.autograd.grad(loss, x_TBI, create_graph=True)
            ...     with probe.pause():
            ...         slope.square().sum().backward()
            >>> probe[""].total["h"].shape
            torch.Size([1, 1, 20, 4])
        """
        return self._session.pause()

    def __str__(self) -> str:
        """A line for each module, layer, direction and state: its curve, and how its gradient decays in words."""
        return report.text(type(self._model).__name__, dict(self.items()))

    def to_frame(self) -> pd.DataFrame:
        """One row for each norm; timesteps after the end of a sample in a packed batch are left out.

        Columns: ``module``, ``state``, ``layer``, ``direction``, ``call`` (of an output whose module was called several
        times, else 0), ``quantity`` (``"total"`` or ``"direct"``), ``timestep``, ``sample`` and ``value``.

        Example:
            >>> import torch
            >>> model = torch.nn.GRU(3, 8)
            >>> with TimestepProbe(model) as probe:
            ...     model(torch.randn(20, 4, 3))[0][-1].sum().backward()
            >>> frame = probe.to_frame()
            >>> total = frame[frame["quantity"] == "total"].groupby("timestep")["value"].mean()
            >>> len(total)
            20
        """
        return report.frame(dict(self.items()))

    @overload
    def plot(self, path: None = None, *, align: Literal["start", "end"] = "start") -> Figure: ...
    @overload
    def plot(self, path: str | Path, *, align: Literal["start", "end"] = "start") -> Path: ...
    def plot(self, path: str | Path | None = None, *, align: Literal["start", "end"] = "start") -> Figure | Path:
        """Draw the total norms, batch means: over the timesteps, one curve per module, layer, direction and state.

        Outputs without a T are one curve over the layers, in the order named; with curves of both kinds, beside them.
        One whose module was called several times is a curve over its calls. Where a gradient is 0, infinite or NaN
        there is no logarithm: the curve has a gap, a mark stands at its edge, and the legend counts those steps.

        Args:
            path: a file to write; None returns the figure.
            align: ``"start"`` for the mean over the samples at each timestep, or ``"end"`` for that at each distance
                from the last timestep of every sample, which is what packed batches of unequal lengths need.

        Returns:
            The path, or without one a :class:`matplotlib.figure.Figure`.

        Raises:
            ValueError: the path ends in none of ``.png``, ``.svg`` and ``.pdf``, or another ``align``.
            RuntimeError: nothing was recorded.
        """
        from seqablate.figures.files import save

        figure = views.draw(dict(self.items()), align)
        return figure if path is None else save(figure, path)

    def log(self, writer: SummaryWriter, step: int) -> None:
        """Write the same picture to TensorBoard, and numbers of each curve as scalars.

        Tags: ``timestep_gradient/profile`` and, for each curve,
        ``timestep_gradient_log10/<curve>/{first,last}_timestep``: log10 of both ends (of outputs without a T
        ``timestep_gradient_log10/depth/{first,last}_layer``, or ``{first,last}_call``); -inf, inf and NaN are written
        as what they are. ``timestep_gradient_decay/<curve>``: the factor per step back in time.
        ``timestep_gradient_vanished/<curve>``: the share of steps whose gradient is 0 or below
        :data:`~seqablate.signals.decay.FLOORS` (1e-34 in float32).
        ``timestep_gradient/notes``, a text: where a gradient is not finite, and what could not be measured.
        """
        views.log(dict(self.items()), writer, step)

    def _new_record(self, name: str) -> ModuleGradients:
        return ModuleGradients(name, self._outputs[name].layout if name in self._outputs else None)

    def _handler(self, name: str, session: Session) -> Handler:
        module = self._modules[name]
        if name in self._outputs:
            return Output(self._outputs[name], session, self._undo.append)
        if isinstance(module, Recurrence):
            return OwnRecurrence(name, session, module)
        if isinstance(module, CELLS):
            return Cell(name, session, module, self._undo.append)
        return TorchRecurrence(name, session)
