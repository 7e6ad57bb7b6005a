"""A stack of single-layer, single-direction recurrences.

Written as a list, with what stands between layers (dropout) outside of any recurrence, because then the probe sees
one case, dropout comes from the run's own generator, and each layer's output is there to be looked at.

Shapes: T time, B batch, I input, D hidden, O outputs, L layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from seqablate.engine.recurrence import Recurrence
from seqablate.models.base import Place
from seqablate.models.initialise import initialise_embedding, initialise_linear, initialise_recurrence

DIRECTIONS = ("forward", "reverse")
TORCH_MODULES: dict[str, tuple[Any, dict[str, Any]]] = {
    "rnn_tanh": (nn.RNN, {"nonlinearity": "tanh"}),
    "rnn_relu": (nn.RNN, {"nonlinearity": "relu"}),
    "lstm": (nn.LSTM, {}),
    "gru": (nn.GRU, {}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StackShape:
    """Sizes of a :class:`RecurrentStack`, from the model's config and the task's spec together."""

    input_size: int
    hidden_size: int
    num_layers: int
    output_size: int
    bidirectional: bool
    dropout: float
    tokens: bool
    every_step: bool


class RecurrentStack(nn.Module):
    """Embedding (for tokens), L layers of recurrences with dropout between them, and a linear readout.

    See :class:`seqablate.models.base.Model` for the call.

    Args:
        shape: the sizes.
        cell: name of the cell (``seqablate.engine.cells``).
        label: name of the model, for signals.
        seed: the run's seed, for initial values.
        forget_bias: whole bias of the forget gates at the start, for a cell that has them.
    """

    def __init__(
        self,
        shape: StackShape,
        cell: str,
        label: str,
        seed: int,
        forget_bias: float | None = None,
    ) -> None:
        super().__init__()
        self.shape = shape
        self.label = label
        directions = DIRECTIONS if shape.bidirectional else DIRECTIONS[:1]
        width = shape.hidden_size * len(directions)
        first = shape.hidden_size if shape.tokens else shape.input_size
        self.embedding = nn.Embedding(shape.input_size, shape.hidden_size) if shape.tokens else None
        self.layers = nn.ModuleList(
            nn.ModuleDict(
                {
                    f"{direction}_cell": Recurrence(cell, first if k == 0 else width, shape.hidden_size)
                    for direction in directions
                }
            )
            for k in range(shape.num_layers)
        )
        self.readout = nn.Linear(width, shape.output_size)
        self.recurrences = tuple(
            Place(f"layers.{k}.{direction}_cell", k, direction)
            for k in range(shape.num_layers)
            for direction in directions
        )
        self._initialise(seed, forget_bias)

    def _cell(self, place: Place) -> Recurrence:
        """The module that stands there."""
        module = self.get_submodule(place.name)
        assert isinstance(module, Recurrence)
        return module

    def _initialise(self, seed: int, forget_bias: float | None) -> None:
        if self.embedding is not None:
            initialise_embedding(self.embedding, seed, "embedding")
        for recurrence in self.recurrences:
            initialise_recurrence(self._cell(recurrence), seed, recurrence.name, forget_bias)
        initialise_linear(self.readout, seed, "readout")

    def forward(
        self,
        x: torch.Tensor,
        lengths: torch.Tensor | None = None,
        state: Any = None,
        generator: torch.Generator | None = None,
    ) -> tuple[torch.Tensor, Any]:
        h_TBD = x if self.embedding is None else self.embedding(x)
        new_state = []
        outputs: list[torch.Tensor] = []
        for number, recurrence in enumerate(self.recurrences):
            if recurrence.layer > 0 and recurrence.direction == "forward":
                h_TBD = dropout(_join(outputs), self.shape.dropout, generator)
                outputs = []
            initial = None if state is None else state[number]
            output_TBD, final = _run(self._cell(recurrence), h_TBD, lengths, initial, recurrence.direction == "reverse")
            outputs.append(output_TBD)
            new_state.append(final)
        if self.shape.every_step:
            features = _join(outputs)
        elif lengths is None:
            features = _join([final[0] for final in new_state[-len(outputs) :]])
        else:
            features = self._last(_join(outputs), lengths)
        return self.readout(features), new_state

    def _last(self, h_TBD: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """[B, D] after the last valid step: of the forward half at the end, of the reverse half at t = 0."""
        D = self.shape.hidden_size
        forward_BD = h_TBD[lengths - 1, torch.arange(h_TBD.shape[1], device=h_TBD.device), :D]
        return torch.cat([forward_BD, h_TBD[0, :, D:]], dim=-1) if self.shape.bidirectional else forward_BD

    def to_torch(self) -> nn.RNNBase:
        """The recurrences as ONE torch module of the same shape, with copies of the weights.

        Raises:
            ValueError: torch has no module of this cell.
        """
        first = self._cell(self.recurrences[0])
        if first.cell.name not in TORCH_MODULES:
            raise ValueError(f"torch has no module of the cell {first.cell.name}")
        make, options = TORCH_MODULES[first.cell.name]
        module: nn.RNNBase = make(
            first.input_size,
            first.hidden_size,
            num_layers=self.shape.num_layers,
            bidirectional=self.shape.bidirectional,
            dropout=self.shape.dropout,
            **options,
        ).to(next(first.parameters()))
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

    def _pairs(self, module: nn.RNNBase) -> list[tuple[torch.Tensor, torch.Tensor]]:
        pairs = []
        for recurrence in self.recurrences:
            ours = self._cell(recurrence)
            suffix = f"_l{recurrence.layer}" + ("_reverse" if recurrence.direction == "reverse" else "")
            for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                pairs.append((getattr(module, kind + suffix), getattr(ours, kind)))
        return pairs


def _join(outputs: list[torch.Tensor]) -> torch.Tensor:
    """What the directions of one layer say, side by side."""
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=-1)


def dropout(x: torch.Tensor, p: float, generator: torch.Generator | None) -> torch.Tensor:
    """Inverted dropout (Srivastava et al. 2014) with the mask drawn from ``generator``; None leaves ``x`` as it is."""
    if p == 0 or generator is None:
        return x
    keep = torch.empty_like(x).bernoulli_(1 - p, generator=generator)
    return x * keep.div_(1 - p)


def reverse_steps(x_TB: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
    """Reverse each sample's valid steps, leaving its padding at the end. ``x_TB`` is [T, B, ...]; its own inverse."""
    if lengths is None:
        return x_TB.flip(0)
    t_T1 = torch.arange(len(x_TB), device=x_TB.device)[:, None]
    source_TB = torch.where(t_T1 < lengths, lengths - 1 - t_T1, t_T1)
    return x_TB[source_TB, torch.arange(x_TB.shape[1], device=x_TB.device)]


def _run(
    recurrence: Recurrence, x_TBI: torch.Tensor, lengths: torch.Tensor | None, initial: Any, reverse: bool
) -> tuple[torch.Tensor, Any]:
    if not reverse:
        return recurrence(x_TBI, initial)
    output_TBD, final = recurrence(reverse_steps(x_TBI, lengths), initial)
    return reverse_steps(output_TBD, lengths), final
