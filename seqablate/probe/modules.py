"""All recorded calls of one module together.

Shapes: T time, B batch, D hidden (or projected), L layers, S directions, C calls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import pad

from seqablate.probe.gradients import CallGradients

Grid = list[list[Tensor]]


class ModuleGradients:
    """All recorded calls of one module that a backward pass has reached.

    Calls reached by one backward pass are consecutive in time, and are joined along time; those of an output whose
    layout has a T, such as a block that is used as several layers, along the first axis, which then counts calls. Calls
    of different backward passes, such as micro-batches, are more samples, and are joined along the batch. What does not
    fit is padded, with NaN or with zero vectors; :attr:`valid` says where.

    Attributes:
        calls: one :class:`~seqablate.probe.gradients.CallGradients` per forward call, in order, reached or not.
        layout: what the dimensions of its output are; None for a recurrence or a cell, whose states are measured.
    """

    def __init__(self, module: str, layout: str | None = None) -> None:
        self._module, self.layout = module, layout
        self.calls: list[CallGradients] = []

    @property
    def total(self) -> dict[str, Tensor]:
        """State -> float64 norms [L, S, T, B] of the total gradient ([C, 1, T, B] of an output whose layout has a T).

        Raises:
            RuntimeError: nothing was recorded, no backward pass has reached a call, or a call cannot be read.
        """
        return self._joined([[call.total for call in group] for group in self._groups()])

    @property
    def direct(self) -> dict[str, Tensor]:
        """As :attr:`total`, for what arrives within the timestep (see :attr:`CallGradients.direct`)."""
        return self._joined([[call.direct for call in group] for group in self._groups()])

    @property
    def valid(self) -> Tensor:
        """[1, 1, T, B] (or [C, 1, T, B]) whether there is such a timestep of such a sample."""
        groups = [[call.valid[None, None] for call in group] for group in self._groups()]
        return _join([_join(group, self._axis, False) for group in groups], 3, False)

    @property
    def vectors(self) -> dict[str, Grid]:
        """State -> ``[layer][direction]`` (or ``[call][0]``) -> the gradients themselves [T, B, D]."""
        return self._joined_vectors([[call.vectors for call in group] for group in self._groups()])

    @property
    def direct_vectors(self) -> dict[str, Grid]:
        """As :attr:`vectors`, for the direct part."""
        return self._joined_vectors([[call.direct_vectors for call in group] for group in self._groups()])

    @property
    def counts_calls(self) -> bool:
        """Whether the time axis holds one step per call of an output that has no time of its own."""
        no_time = self.layout is not None and "T" not in self.layout
        return no_time and any(len(group) > 1 for group in _by_pass(self.readable()))

    @property
    def problems(self) -> list[str]:
        """What is missing from this record, and why, in a line each."""
        lines = list(dict.fromkeys(call.refusal for call in self.calls if call.refusal is not None))
        missing = sum(not call.reached for call in self.calls)
        if missing:
            lines.append(f"{missing} of {len(self.calls)} calls of {self._module!r} were not reached by backward()")
        return lines

    def readable(self) -> list[CallGradients]:
        """The calls that a backward pass has reached and that can be read."""
        return [call for call in self.calls if call.reached and call.refusal is None]

    def only_readable(self) -> ModuleGradients:
        """The same record without the calls that cannot be read."""
        found = ModuleGradients(self._module, self.layout)
        found.calls = self.readable()
        return found

    @property
    def _axis(self) -> int:
        """Along which calls of one backward pass are joined: calls (as layers), or time."""
        return 0 if self.layout is not None and "T" in self.layout else 2

    def _groups(self) -> list[list[CallGradients]]:
        if not self.calls:
            raise RuntimeError(
                f"no call of {self._module!r} was recorded: run the model, with gradients enabled, inside the block "
                "(gradient checkpointing: with use_reentrant=False)"
            )
        return _by_pass([call for call in self.calls if call.reached or call.refusal]) or [self.calls]

    def _joined(self, groups: list[list[dict[str, Tensor]]]) -> dict[str, Tensor]:
        def join(state: str) -> Tensor:
            return _join([_join([norms[state] for norms in group], self._axis, torch.nan) for group in groups], 3)

        return {state: join(state) for state in groups[0][0]}

    def _joined_vectors(self, groups: list[list[dict[str, Grid]]]) -> dict[str, Grid]:
        along = _as_layers if self._axis == 0 else partial(_grids, partial(_join, dim=0, fill=0.0))
        beside = partial(_grids, partial(_join, dim=1, fill=0.0))
        return {state: beside([along([call[state] for call in group]) for group in groups]) for state in groups[0][0]}


def _by_pass(calls: Sequence[CallGradients]) -> list[list[CallGradients]]:
    """The calls in groups that share a backward pass, in order."""
    groups: list[tuple[set[int], list[CallGradients]]] = []
    for call in calls:
        shared = [group for group in groups if group[0] & call.passes]
        if shared:
            shared[0][0].update(call.passes)
            shared[0][1].append(call)
        else:
            groups.append((set(call.passes), [call]))
    return [found for _, found in groups]


def _join(parts: Sequence[Tensor], dim: int, fill: float = torch.nan) -> Tensor:
    """Tensors concatenated along one dimension and padded along the others."""
    if len(parts) == 1:
        return parts[0]
    sizes = [max(part.shape[d] for part in parts) for d in range(parts[0].dim())]
    missing = [[sizes[d] - part.shape[d] if d != dim else 0 for d in range(part.dim())] for part in parts]
    filled = [
        pad(part, [n for m in reversed(by_dim) for n in (0, m)], value=fill) if any(by_dim) else part
        for part, by_dim in zip(parts, missing, strict=True)
    ]
    return torch.cat(filled, dim)


def _grids(join: Callable[[list[Tensor]], Tensor], grids: Sequence[Grid]) -> Grid:
    """``[layer][direction]`` of several records, each joined."""
    layers, empty = max(len(grid) for grid in grids), [grid[0][0][:, :0] for grid in grids]
    return [
        [
            join([grid[n][s] if n < len(grid) else none for grid, none in zip(grids, empty, strict=True)])
            for s in range(len(grids[0][0]))
        ]
        for n in range(layers)
    ]


def _as_layers(grids: Sequence[Grid]) -> Grid:
    return [layer for grid in grids for layer in grid]
