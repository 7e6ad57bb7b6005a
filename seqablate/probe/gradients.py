"""What a probe recorded: one entry per call of a module, and all calls of a module together.

Shapes: T time, B batch, D hidden (or projected), L layers, S directions.
"""

from __future__ import annotations

import torch
from torch import Tensor

from seqablate.engine.call import Padding
from seqablate.engine.gradients import Gradients, Kind


class CallGradients:
    """The gradients of one forward call of a module; several backward passes through it add up, as ``.grad`` does.

    (Of a compiled ``Recurrence`` and of a named output only with ``vectors``: norms cannot be added.)

    Args:
        module: name of the module, for messages.
        layers: how many layers report.
        vectors: keep the gradients themselves.
        padding: where the samples of a packed batch end, in the order of ``sort``.
        unsorted: [B] where each sample of the caller's batch stands in the packed one, or None when they agree.
    """

    def __init__(
        self, module: str, layers: int, vectors: bool, padding: Padding | None, unsorted: Tensor | None
    ) -> None:
        self._module, self._keep_vectors = module, vectors
        self._padding, self._unsorted = padding, unsorted
        self._layers: list[list[Gradients] | None] = [None] * layers
        self._norms: dict[Kind, dict[str, Tensor]] = {}
        self._open = True

    @property
    def total(self) -> dict[str, Tensor]:
        """State -> float64 norms [L, S, T, B] of dL/d(state), with all that flows back through later timesteps.

        NaN where a sample has ended. ``"h"``, and ``"c"`` for an LSTM; of a named output ``"h"`` [1, 1, T, B].

        Raises:
            RuntimeError: no backward pass came through this call.
        """
        return self._norms_of("total")

    @property
    def direct(self) -> dict[str, Tensor]:
        """As :attr:`total`, but only what arrives within the timestep: from loss, layer above or final state.

        For c: what arrives at c_t through its own h_t's direct part, and through a returned c_n. Of a named output
        ``{}``: what comes back through later timesteps cannot be told apart there.
        """
        return self._norms_of("direct")

    @property
    def vectors(self) -> dict[str, list[list[Tensor]]]:
        """State -> ``[layer][direction]`` -> dL/d(state) itself [T, B, D], zero where a sample has ended.

        Of a named output D is all its other dimensions, flattened in their order.

        Raises:
            RuntimeError: the probe was not asked for vectors, or no backward pass came through this call.
        """
        return self._vectors_of("total")

    @property
    def direct_vectors(self) -> dict[str, list[list[Tensor]]]:
        """As :attr:`vectors`, for the direct part."""
        return self._vectors_of("direct")

    def add(self, layer: int, found: list[Gradients]) -> None:
        """Take in what one backward pass brought to one layer; ignored once the probe's block is left."""
        if not self._open:
            return
        before = self._layers[layer]
        self._layers[layer] = found if before is None else [self._sum(a, b) for a, b in zip(before, found, strict=True)]
        self._norms.clear()

    def close(self) -> None:
        """Take the last norms and, unless vectors were asked for, let the gradients themselves go."""
        self._open = False
        if not self._keep_vectors:
            self._layers = [found and [_norms_only(gradients) for gradients in found] for found in self._layers]

    def _reached(self) -> list[list[Gradients]]:
        reached = [found for found in self._layers if found is not None]
        if len(reached) < len(self._layers):
            raise RuntimeError(
                f"no gradient has reached this call of {self._module!r}: call backward() inside the TimestepProbe block"
            )
        return reached

    def _norms_of(self, kind: Kind) -> dict[str, Tensor]:
        if kind not in self._norms:
            layers = [[found.norms(kind) for found in directions] for directions in self._reached()]
            self._norms[kind] = {
                state: torch.stack([torch.stack([self._mark(found[state]) for found in layer]) for layer in layers])
                for state in layers[0][0]
            }
        return self._norms[kind]

    def _mark(self, norms_TB: Tensor) -> Tensor:
        """NaN where a sample has ended, and the samples in the caller's order."""
        if self._padding is not None:
            norms_TB = norms_TB.masked_fill(~self._padding.valid_TB, torch.nan)
        return self._in_batch_order(norms_TB)

    def _sum(self, a: Gradients, b: Gradients) -> Gradients:
        if a.total_norms is not None and not a.total:
            raise RuntimeError(
                f"two backward passes came through one call of {self._module!r}, of the first only norms are left: "
                "use TimestepProbe(model, vectors=True)"
            )
        return Gradients(
            {state: a.total[state] + b.total[state] for state in a.total},
            {state: a.direct[state] + b.direct[state] for state in a.direct},
        )

    def _vectors_of(self, kind: Kind) -> dict[str, list[list[Tensor]]]:
        if not self._keep_vectors:
            raise RuntimeError("the gradients themselves were not kept: use TimestepProbe(model, vectors=True)")
        layers = [[getattr(found, kind) for found in directions] for directions in self._reached()]
        return {state: [[self._clean(found[state]) for found in layer] for layer in layers] for state in layers[0][0]}

    def _clean(self, gradient_TBD: Tensor) -> Tensor:
        if self._padding is None:
            return gradient_TBD
        return self._in_batch_order(gradient_TBD.masked_fill(~self._padding.valid_TB[:, :, None], 0))

    def _in_batch_order(self, values_TB: Tensor) -> Tensor:
        return values_TB if self._unsorted is None else values_TB.index_select(1, self._unsorted)


def _norms_only(found: Gradients) -> Gradients:
    return Gradients({}, {}, found.norms("total"), found.norms("direct")) if found.total else found


class ModuleGradients:
    """All recorded calls of one module.

    Attributes:
        calls: one :class:`CallGradients` per forward call, in order.
        layout: what the dimensions of its output are; None for a recurrence, whose states are measured.
    """

    def __init__(self, module: str, layout: str | None = None) -> None:
        self._module, self.layout = module, layout
        self.calls: list[CallGradients] = []

    @property
    def total(self) -> dict[str, Tensor]:
        """State -> float64 norms [L, S, T, B] of the total gradient, the calls joined along time.

        Raises:
            RuntimeError: nothing was recorded, or a call was not reached by a backward pass.
            ValueError: the calls' batch sizes differ.
        """
        return self._joined([call.total for call in self._called()])

    @property
    def direct(self) -> dict[str, Tensor]:
        """As :attr:`total`, for what arrives within the timestep (see :attr:`CallGradients.direct`)."""
        return self._joined([call.direct for call in self._called()])

    @property
    def vectors(self) -> dict[str, list[list[Tensor]]]:
        """State -> ``[layer][direction]`` -> the gradients themselves [T, B, D], the calls joined along time."""
        return self._joined_vectors([call.vectors for call in self._called()])

    @property
    def direct_vectors(self) -> dict[str, list[list[Tensor]]]:
        """As :attr:`vectors`, for the direct part."""
        return self._joined_vectors([call.direct_vectors for call in self._called()])

    def _called(self) -> list[CallGradients]:
        if not self.calls:
            raise RuntimeError(
                f"no call of {self._module!r} was recorded: run the model, with gradients enabled, inside the block "
                "(gradient checkpointing: with use_reentrant=False)"
            )
        return self.calls

    def _joined(self, calls: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        self._check_batches([norms.shape[3] for call in calls for norms in call.values()])
        return {state: torch.cat([norms[state] for norms in calls], dim=2) for state in calls[0]}

    def _joined_vectors(self, calls: list[dict[str, list[list[Tensor]]]]) -> dict[str, list[list[Tensor]]]:
        self._check_batches([layers[0][0].shape[1] for call in calls for layers in call.values()])
        return {
            state: [
                [torch.cat([found[state][layer][s] for found in calls]) for s in range(len(directions))]
                for layer, directions in enumerate(layers)
            ]
            for state, layers in calls[0].items()
        }

    def _check_batches(self, sizes: list[int]) -> None:
        if len(set(sizes)) > 1:
            raise ValueError(
                f"{self._module!r} was called with batches of {sorted(set(sizes))} samples, which cannot be joined "
                "along time: take the calls one by one from .calls"
            )
