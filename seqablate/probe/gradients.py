"""What a probe recorded of one call of a module.

Shapes: T time, B batch, D hidden (or projected), L layers, S directions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import torch
from torch import Tensor

from seqablate.engine.backends.torch_call import Padding
from seqablate.engine.gradients import Carried, Gradients, Kind

ADVICE = "record one of them only, the other under `with probe.pause():`"


class Listener(Protocol):
    """What a call's record must know about the block that it belongs to (see :mod:`seqablate.probe.session`)."""

    vectors: bool

    @property
    def open(self) -> bool: ...
    @property
    def listening(self) -> bool: ...


class CallGradients:
    """The gradients of one forward call of a module; several backward passes through it add up, as ``.grad`` does.

    (Of a compiled ``Recurrence`` and of a named output only with ``vectors``: norms cannot be added. Of a recurrence
    not after a pass with ``create_graph=True``: the part of a second derivative at the inner states is not seen.)

    Attributes:
        dtype: of the gradients themselves; norms are float64.
        last_steps: how many steps at the end the returned states are of; more than one with a dilation or time skip.
        unknown_direct: why the direct part of those steps is NaN; None when it is known.
        refusal: why nothing can be read from this call; None when it can.
    """

    def __init__(
        self,
        module: str,
        layers: int,
        listener: Listener,
        *,
        dtype: torch.dtype,
        rebuilt: bool = False,
        padding: Padding | None = None,
        unsorted: Tensor | None = None,
    ) -> None:
        """A record without gradients.

        Args:
            module: name of the module, for messages.
            layers: how many layers report.
            listener: the block.
            dtype: of the gradients.
            rebuilt: whether the gradients are computed from what flows through the call, not recorded at its states.
            padding: where the samples of a packed batch end, in the order of ``sort``.
            unsorted: [B] where each sample of the caller's batch stands in the packed one, or None when they agree.
        """
        self._module, self._listener, self._rebuilt = module, listener, rebuilt
        self._padding, self._unsorted = padding, unsorted
        self._layers: list[list[Gradients] | None] = [None] * layers
        self._norms: dict[Kind, dict[str, Tensor]] = {}
        self._carried: tuple[int, list[Tensor | None]] = (-1, [])
        self._differentiated: int | None = None  # the pass with create_graph=True
        self.passes: set[int] = set()
        self.last_steps, self.dtype = 1, dtype
        self.unknown_direct: str | None = None
        self.refusal: str | None = None

    @property
    def total(self) -> dict[str, Tensor]:
        """State -> float64 norms [L, S, T, B] of dL/d(state), with all that flows back through later timesteps.

        NaN after the end of a sample (:attr:`valid` distinguishes it from a gradient that is NaN). ``"h"``, and ``"c"``
        for an LSTM; of a named output ``"h"`` [1, 1, T, B].

        Raises:
            RuntimeError: no backward pass has reached this call, or two have, and only their sum has a meaning.
        """
        return self._norms_of("total")

    @property
    def direct(self) -> dict[str, Tensor]:
        """As :attr:`total`, but only what arrives within the timestep: from loss, layer above or final state.

        What a later call of the same module sends back to the final states is not part of it; NaN at the last step if
        the two cannot be separated (:attr:`unknown_direct` says why). For c: what arrives at c_t through its own h_t's
        direct part, and through a returned c_n. Of a named output ``{}``: what comes back through later timesteps
        cannot be separated there.
        """
        return self._norms_of("direct")

    @property
    def vectors(self) -> dict[str, list[list[Tensor]]]:
        """State -> ``[layer][direction]`` -> dL/d(state) itself [T, B, D], zero after the end of a sample.

        Of a named output D is all its other dimensions, flattened in their order.

        Raises:
            RuntimeError: the probe does not keep vectors (``vectors=True``), or as for :attr:`total`.
        """
        return self._vectors_of("total")

    @property
    def direct_vectors(self) -> dict[str, list[list[Tensor]]]:
        """As :attr:`vectors`, for the direct part."""
        return self._vectors_of("direct")

    @property
    def valid(self) -> Tensor:
        """[T, B] whether a sample has this timestep: False after its end in a packed batch."""
        if self._padding is not None:
            return self._in_batch_order(self._padding.valid_TB)
        norms_LSTB = next(iter(self.total.values()))
        return torch.ones(norms_LSTB.shape[2:], dtype=torch.bool, device=norms_LSTB.device)

    @property
    def reached(self) -> bool:
        """Whether a backward pass has reached this call."""
        return any(found is not None for found in self._layers)

    def add(self, layer: int, found: list[Gradients]) -> None:
        """Add the gradients of one backward pass at one layer; ignored outside the probe's block and in a pause."""
        number = torch._C._current_graph_task_id()
        if self._listener.listening:
            if self._rebuilt and self._differentiated not in (None, number):
                self.refusal = (
                    f"a backward pass came through a call of {self._module!r} after one with create_graph=True: what a "
                    f"second derivative sends to the states inside cannot be measured; {ADVICE}"
                )
            self._take(layer, found)
            self.passes.add(number)

    def watch_passes(self, results: Iterable[Tensor]) -> None:
        """Notice every backward pass that reaches one of the call's results and will be differentiated again."""
        for node in {result.grad_fn for result in results}:
            if node is not None:
                node.register_prehook(self._notice)

    def _notice(self, gradients: object) -> None:
        if self._listener.open and torch.is_grad_enabled():
            self._differentiated = torch._C._current_graph_task_id()

    def carry(self, state: int, gradient: Tensor) -> None:
        """Add the gradient that a later call sends back, in this backward pass, to the final state of this number."""
        number = torch._C._current_graph_task_id()
        if self._carried[0] != number:
            self._carried = (number, [None, None, None])
        before = self._carried[1][state]
        self._carried[1][state] = gradient if before is None else before + gradient

    def carried(self) -> Carried:
        """The gradients that later calls have sent back in this backward pass, by state."""
        number, found = self._carried
        return tuple(found) if number == torch._C._current_graph_task_id() else ()

    def close(self) -> None:
        """Compute the last norms and, unless vectors are kept, release the gradients themselves."""
        self._carried = (-1, [])
        if not self._listener.vectors:
            self._layers = [found and [_norms_only(gradients) for gradients in found] for found in self._layers]

    def _take(self, layer: int, found: list[Gradients]) -> None:
        before = self._layers[layer]
        if before is not None and any(g.total_norms is not None and not g.total for g in before):
            self.refusal = (
                f"two backward passes came through one call of {self._module!r}, of the first only norms are left: "
                f"use TimestepProbe(model, vectors=True), or {ADVICE}"
            )
            return
        self._layers[layer] = found if before is None else [_sum(a, b) for a, b in zip(before, found, strict=True)]
        self._norms.clear()

    def _reached(self) -> list[list[Gradients]]:
        """The gradients of every layer; zero above the highest layer reached, on which the loss does not depend."""
        if self.refusal is not None:
            raise RuntimeError(self.refusal)
        reached = [found for found in self._layers if found is not None]
        if not reached or None in self._layers[: len(reached)]:
            raise RuntimeError(
                f"no gradient has reached this call of {self._module!r}: call backward() inside the TimestepProbe block"
            )
        above = len(self._layers) - len(reached)
        return reached + [[_zeros(found) for found in reached[-1]] for _ in range(above)]

    def _norms_of(self, kind: Kind) -> dict[str, Tensor]:
        layers_found = self._reached()
        if kind not in self._norms:
            layers = [[found.norms(kind) for found in directions] for directions in layers_found]
            self._norms[kind] = {
                state: self._known(
                    kind, torch.stack([torch.stack([self._mark(found[state]) for found in layer]) for layer in layers])
                )
                for state in layers[0][0]
            }
        return self._norms[kind]

    def _known(self, kind: Kind, norms_LSTB: Tensor) -> Tensor:
        """NaN at each sample's last steps if their direct part is not known."""
        if kind == "total" or self.unknown_direct is None:
            return norms_LSTB
        return torch.where(self._last_steps(norms_LSTB.shape[1]), torch.nan, norms_LSTB)

    def _last_steps(self, directions: int) -> Tensor:
        """[S, T, B] the steps whose states the call returned; a reverse direction ends at step 0."""
        valid_TB, n = self.valid, min(self.last_steps, len(self.valid))
        ends_TB = valid_TB & ~torch.cat([valid_TB[n:], torch.zeros_like(valid_TB[:n])])
        starts_TB = valid_TB & ~torch.cat([torch.zeros_like(valid_TB[:n]), valid_TB[:-n]])
        return torch.stack([ends_TB, starts_TB][:directions])

    def _mark(self, norms_TB: Tensor) -> Tensor:
        """NaN after the end of a sample; the samples in the caller's order."""
        if self._padding is not None:
            norms_TB = norms_TB.masked_fill(~self._padding.valid_TB, torch.nan)
        return self._in_batch_order(norms_TB)

    def _vectors_of(self, kind: Kind) -> dict[str, list[list[Tensor]]]:
        if not self._listener.vectors:
            raise RuntimeError("the gradients themselves were not kept: use TimestepProbe(model, vectors=True)")
        layers = [[getattr(found, kind) for found in directions] for directions in self._reached()]
        found = {state: [[self._clean(part[state]) for part in layer] for layer in layers] for state in layers[0][0]}
        if kind == "total" or self.unknown_direct is None:
            return found
        last_STB = self._last_steps(len(layers[0]))[..., None]
        return {
            state: [[part.masked_fill(last_STB[s], torch.nan) for s, part in enumerate(layer)] for layer in grid]
            for state, grid in found.items()
        }

    def _clean(self, gradient_TBD: Tensor) -> Tensor:
        if self._padding is None:
            return gradient_TBD
        return self._in_batch_order(gradient_TBD.masked_fill(~self._padding.valid_TB[:, :, None], 0))

    def _in_batch_order(self, values_TB: Tensor) -> Tensor:
        return values_TB if self._unsorted is None else values_TB.index_select(1, self._unsorted)


def _sum(a: Gradients, b: Gradients) -> Gradients:
    return Gradients(
        {state: a.total[state] + b.total[state] for state in a.total},
        {state: a.direct[state] + b.direct[state] for state in a.direct},
    )


def _zeros(found: Gradients) -> Gradients:
    """No gradient, of the same shape."""
    parts = (found.total, found.direct, found.total_norms, found.direct_norms)
    zeros = [None if part is None else {s: torch.zeros_like(v) for s, v in part.items()} for part in parts]
    return Gradients(zeros[0] or {}, zeros[1] or {}, zeros[2], zeros[3])


def _norms_only(found: Gradients) -> Gradients:
    return Gradients({}, {}, found.norms("total"), found.norms("direct")) if found.total else found
