"""What one call of torch's recurrent kernels says, unpacked.

``nn.RNN``, ``nn.LSTM`` and ``nn.GRU`` check their input and then call ``torch._VF.{rnn_tanh,rnn_relu,lstm,gru}``
with a flat list of weights. :class:`KernelCall` holds the same call with the weights sorted by layer and direction and
the input in time-major order.

Shapes: T time, B batch, N steps of a packed batch (the sum of its lengths), I input, D hidden, P projected (D without
``proj_size``), G gates (1, 4 or 3), L layers, S directions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import dropout

from seqablate.engine.cell import Weights


@dataclass(frozen=True, slots=True, eq=False)
class Padding:
    """Where the samples of a packed batch lie in [T, B], and where they are padded."""

    lengths_B: Tensor
    valid_TB: Tensor

    @classmethod
    def of(cls, batch_sizes_T: Tensor, device: torch.device) -> Padding:
        """From a PackedSequence's ``batch_sizes`` (how many samples are still running at each timestep)."""
        batch = int(batch_sizes_T[0])
        valid_TB = (torch.arange(batch) < batch_sizes_T[:, None]).to(device)
        return cls(valid_TB.sum(0), valid_TB)

    def pad(self, data_NC: Tensor) -> Tensor:
        """Packed steps to [T, B, C], with zeros where a sample has ended (packed order is that of the mask)."""
        padded_TBC = data_NC.new_zeros(*self.valid_TB.shape, data_NC.shape[-1])
        padded_TBC[self.valid_TB] = data_NC
        return padded_TBC


@dataclass(frozen=True, slots=True, eq=False)
class KernelCall:
    """One call of a recurrent kernel.

    Args:
        cell: ``"rnn_tanh"``, ``"rnn_relu"``, ``"lstm"`` or ``"gru"``.
        x: [T, B, I], or [N, I] when packed.
        hx: initial states [L*S, B, P], and for an LSTM also c [L*S, B, D].
        layers: ``layers[layer][direction]``.
        batch_sizes: [T] of a PackedSequence, else None.
        dropout: probability of zeroing, between layers and only when ``train``.
        batch_first: whether the caller gave, and gets back, [B, T, ...].
    """

    cell: str
    x: Tensor
    hx: tuple[Tensor, ...]
    layers: Sequence[Sequence[Weights]]
    batch_sizes: Tensor | None = None
    dropout: float = 0.0
    train: bool = False
    batch_first: bool = False

    @property
    def directions(self) -> int:
        """S: 2 when bidirectional."""
        return len(self.layers[0])

    def padding(self) -> Padding | None:
        """Where the samples of a packed batch end; None when the input is not packed."""
        return None if self.batch_sizes is None else Padding.of(self.batch_sizes, self.x.device)

    def initial(self, layer: int) -> tuple[Tensor, ...]:
        """The initial states of one layer: h0 [S, B, P], and c0 [S, B, D] for an LSTM."""
        rows = slice(layer * self.directions, (layer + 1) * self.directions)
        return tuple(state[rows] for state in self.hx)


def parse(cell: str, args: Sequence[Any]) -> KernelCall:
    """Read the positional arguments of ``torch._VF.<cell>``, for a padded or a packed input.

    Example:
        >>> rnn, x_TBI, h0 = torch.nn.GRU(3, 4), torch.zeros(5, 2, 3), torch.zeros(1, 2, 4)
        >>> call = parse("gru", (x_TBI, h0, rnn._flat_weights, True, 1, 0.0, True, False, False))
        >>> call.layers[0][0].w_ih.shape
        torch.Size([12, 3])
    """
    packed = isinstance(args[3], list | tuple)
    x, *rest = args
    batch_sizes = rest.pop(0) if packed else None
    hx, flat, has_biases, num_layers, dropout, train, bidirectional = rest[:7]
    hx = (hx,) if isinstance(hx, Tensor) else tuple(hx)
    call = KernelCall(
        cell, x, hx, _sorted(flat, has_biases, num_layers, 1 + bidirectional), batch_sizes, dropout, train
    )
    return replace(call, x=x.transpose(0, 1), batch_first=True) if not packed and rest[7] else call


def _sorted(flat: Sequence[Tensor], has_biases: bool, layers: int, directions: int) -> list[list[Weights]]:
    """torch's flat list (w_ih, w_hh, b_ih, b_hh, w_hr; layer by layer, forward before reverse), sorted."""
    size = len(flat) // (layers * directions)
    groups = [flat[i : i + size] for i in range(0, len(flat), size)]
    biases = 2 if has_biases else 0
    found = []
    for w_ih, w_hh, *rest in groups:
        b_ih, b_hh = rest[:2] if has_biases else (None, None)
        found.append(Weights(w_ih, w_hh, b_ih, b_hh, rest[biases] if len(rest) > biases else None))
    return [found[i : i + directions] for i in range(0, len(found), directions)]


def layer_by_layer(call: KernelCall, run: Callable[[int, Tensor], tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    """The layers of a call one after the other, with its dropout between them.

    Args:
        call: what a kernel of all layers would be called with.
        run: makes a layer, given its number and its input: its output and its final states [S, B, *].

    Returns:
        The last layer's output, with time first, and each final state of all layers [L*S, B, *].
    """
    x, finals = call.x, []
    for number in range(len(call.layers)):
        if number and call.dropout and call.train:
            x = dropout(x, call.dropout)
        x, *final = run(number, x)
        finals.append(final)
    return x, *(torch.cat(states) if len(states) > 1 else states[0] for states in zip(*finals, strict=True))
