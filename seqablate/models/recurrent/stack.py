"""A stack of single-layer, single-direction recurrences.

Written as a list, with what stands between layers (norm, dropout, skips) outside of any recurrence, because then the
probe sees one case, dropout comes from the run's own generator, and each layer's output is there to be looked at.

Shapes: T time, B batch, I input, D hidden, W width of a stream (D by direction; more with dense skips), L layers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from seqablate.engine.cell import Cell
from seqablate.engine.cells import CELLS
from seqablate.engine.recurrence import Recurrence
from seqablate.models.base import ProbePoint
from seqablate.models.choices import Norm, Skip
from seqablate.models.functional import dropout, last_step, reverse_steps
from seqablate.models.initialise import Initialiser
from seqablate.models.skip import DepthSkip, Stream
from seqablate.signals.place import Place

DIRECTIONS = ("forward", "reverse")
TORCH_MODULES: dict[str, tuple[Any, dict[str, Any]]] = {
    "rnn_tanh": (nn.RNN, {"nonlinearity": "tanh"}),
    "rnn_relu": (nn.RNN, {"nonlinearity": "relu"}),
    "lstm": (nn.LSTM, {}),
    "gru": (nn.GRU, {}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StackShape:
    """Cell, sizes and connections of a :class:`RecurrentStack`; the words are those of ``RecurrentConfig``."""

    cell: str | Cell
    input_size: int
    hidden_size: int
    num_layers: int
    bidirectional: bool = False
    dropout: float = 0.0
    norm: Norm = Norm.none
    skip: Skip = Skip.none
    time_skip: int = 0
    dilation: int = 1

    @property
    def directions(self) -> tuple[str, ...]:
        """Of each layer."""
        return DIRECTIONS if self.bidirectional else DIRECTIONS[:1]

    @property
    def states(self) -> tuple[str, ...]:
        """Of the cell."""
        return (CELLS[self.cell] if isinstance(self.cell, str) else self.cell).states

    @property
    def width(self) -> int:
        """Features of one layer's output."""
        return self.hidden_size * len(self.directions)


class RecurrentStack(nn.Module):
    """L layers of recurrences, with norms, dropout and skips between them.

    Attributes:
        output_size: W, the features of what it returns.
    """

    def __init__(self, shape: StackShape) -> None:
        super().__init__()
        self.shape = shape
        self.skip = DepthSkip(shape.skip, [shape.width] * shape.num_layers)
        self.layers = nn.ModuleList(self._layer(k) for k in range(shape.num_layers))
        normed = shape.num_layers if shape.norm is Norm.layer else 0
        self.norms = nn.ModuleList(nn.LayerNorm(shape.width) for _ in range(normed))
        self.output_size = self.skip.width(shape.num_layers)

    def _layer(self, k: int) -> nn.ModuleDict:
        shape = self.shape
        input_size = self.skip.width(k) if k else shape.input_size
        return nn.ModuleDict(
            {
                f"{direction}_cell": Recurrence(
                    shape.cell,
                    input_size,
                    shape.hidden_size,
                    time_skip=shape.time_skip,
                    dilation=shape.dilation**k,
                    layer_norm=shape.norm is Norm.cell,
                )
                for direction in shape.directions
            }
        )

    @property
    def plain(self) -> bool:
        """Whether it is recurrences in one direction, one above the other, and nothing else."""
        shape = self.shape
        return shape == StackShape(
            cell=shape.cell,
            input_size=shape.input_size,
            hidden_size=shape.hidden_size,
            num_layers=shape.num_layers,
        )

    def probe_points(self, part: str, prefix: str, lag: int = 0) -> tuple[ProbePoint, ...]:
        """Where its recurrences stand in a model that calls it ``prefix`` (``"stack."``)."""
        return tuple(
            ProbePoint(
                name=f"{prefix}layers.{k}.{direction}_cell",
                place=Place(part=part, layer=k, direction=direction),
                lag=lag,
            )
            for k in range(self.shape.num_layers)
            for direction in self.shape.directions
        )

    def initialise(self, initialiser: Initialiser, prefix: str = "") -> None:
        """Give every parameter its initial value; ``prefix`` tells the stacks of one model apart."""
        for point in self.probe_points("", ""):
            initialiser.recurrence(self._cell(point), prefix + point.name)
        self.skip.initialise(initialiser, prefix)

    def forward(
        self,
        x_TBI: Tensor,
        lengths: Tensor | None = None,
        state: Any = None,
        generator: torch.Generator | None = None,
        last_only: bool = False,
    ) -> tuple[Tensor, list[Any]]:
        """Run over all timesteps and layers.

        Args:
            x_TBI: input.
            lengths: [B] valid steps, or None.
            state: what an earlier call returned, or None for zeros.
            generator: of dropout masks; None for no dropout.
            last_only: return what stands after each sample's last valid step (the reverse half: at t = 0) only.

        Returns:
            [T, B, W], or [B, W] with ``last_only``; and the final states of every recurrence.
        """
        # What stands between layers acts on one timestep at a time, so the last step can be taken before it; but the
        # two halves of a bidirectional layer have their last steps at different times.
        take_first = last_only and (self.shape.width == self.shape.hidden_size or not (self.norms or self._skips))
        stream, new_state = Stream(x_TBI), []
        for k in range(self.shape.num_layers):
            outputs, finals = self._run_layer(k, stream.x, lengths, state)
            new_state += finals
            top = k == self.shape.num_layers - 1
            if top and take_first:
                y = self._last_states(outputs, finals, lengths)
                stream = Stream(*(None if s is None else last_step(s, lengths) for s in stream))  # type: ignore[arg-type]
            else:
                y = _join(outputs)
            if self.norms:
                y = self.norms[k](y)
            stream = self.skip(k, stream, y if top else dropout(y, self.shape.dropout, generator))
        return (self._last(stream.x, lengths) if last_only and not take_first else stream.x), new_state

    @property
    def _skips(self) -> bool:
        return self.shape.skip is not Skip.none

    def _run_layer(
        self, k: int, x_TBI: Tensor, lengths: Tensor | None, state: Any
    ) -> tuple[list[Tensor], list[tuple[Tensor, ...]]]:
        """Output and final states of each direction."""
        outputs, finals, layer = [], [], self.layers[k]
        assert isinstance(layer, nn.ModuleDict)
        for number, (direction, cell) in enumerate(zip(self.shape.directions, layer.values(), strict=True)):
            initial = None if state is None else state[k * len(self.shape.directions) + number]
            if direction == "reverse":
                output, final = cell(reverse_steps(x_TBI, lengths), initial)
                output = reverse_steps(output, lengths)
            else:
                output, final = cell(x_TBI, initial)
            outputs.append(output)
            finals.append(final)
        return outputs, finals

    def _last_states(self, outputs: list[Tensor], finals: list[tuple[Tensor, ...]], lengths: Tensor | None) -> Tensor:
        """[B, W] after the last valid step, from the final states where they are that: no zero gradient [T, B, D]."""
        dilated = self.shape.dilation > 1 and self.shape.num_layers > 1
        if lengths is None and not dilated:
            return _join([final[0] for final in finals])
        return self._last(_join(outputs), lengths)

    def _last(self, h_TBW: Tensor, lengths: Tensor | None) -> Tensor:
        """[B, W] after the last valid step: of the forward halves at the end, of the reverse halves at t = 0."""
        end_BW = last_step(h_TBW, lengths)
        if not self.shape.bidirectional:
            return end_BW
        halves = (-1, 2, self.shape.hidden_size)  # of each layer in a dense stream
        end, start = end_BW.unflatten(-1, halves), h_TBW[0].unflatten(-1, halves)
        return torch.stack([end[:, :, 0], start[:, :, 1]], dim=2).flatten(1)

    def _cell(self, point: ProbePoint) -> Recurrence:
        """The module that stands there."""
        module = self.get_submodule(point.name)
        assert isinstance(module, Recurrence)
        return module

    def to_torch(self) -> nn.RNNBase:
        """The recurrences as ONE torch module of the same shape, with copies of the weights.

        Raises:
            ValueError: torch has no such module: another cell, a norm, a skip over depth or time.
        """
        shape = self.shape
        plain = replace(shape, norm=Norm.none, skip=Skip.none, time_skip=0, dilation=1)
        if shape.cell not in TORCH_MODULES or shape != plain:
            raise ValueError(f"torch has no module of {shape}")
        make, options = TORCH_MODULES[shape.cell]
        module: nn.RNNBase = make(
            shape.input_size,
            shape.hidden_size,
            num_layers=shape.num_layers,
            bidirectional=shape.bidirectional,
            dropout=shape.dropout,
            **options,
        ).to(next(self.parameters()))
        with torch.no_grad():
            for theirs, ours in self._pairs(module):
                theirs.copy_(ours)
        return module

    def load_torch(self, module: nn.RNNBase) -> None:
        """Copy the weights of a torch module of the same shape into the recurrences.

        Raises:
            ValueError: kind or shape differ.
        """
        own = self.to_torch()
        expected = {name: p.shape for name, p in own.named_parameters()}
        given = {name: p.shape for name, p in module.named_parameters()}
        if module.mode != own.mode or expected != given:
            raise ValueError(f"cannot load {module}: this stack has the shape of {own}")
        with torch.no_grad():
            for theirs, ours in self._pairs(module):
                ours.copy_(theirs)

    def _pairs(self, module: nn.RNNBase) -> list[tuple[Tensor, Tensor]]:
        pairs = []
        for point in self.probe_points("", ""):
            ours = self._cell(point)
            suffix = f"_l{point.place.layer}" + ("_reverse" if point.place.direction == "reverse" else "")
            for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                pairs.append((getattr(module, kind + suffix), getattr(ours, kind)))
        return pairs


def _join(outputs: list[Tensor]) -> Tensor:
    """What the directions of one layer say, side by side."""
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=-1)
