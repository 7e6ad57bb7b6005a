"""One stack of hidden layers, of which every deep net without recurrences is made.

Shapes: D hidden (units or channels), W width of the stream between two layers (D, or more with dense skips).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seqablate.engine.cells.rnn import NONLINEARITIES
from seqablate.models.choices import Nonlinearity, Norm, Skip
from seqablate.models.functional import dropout
from seqablate.models.initialise import Initialiser
from seqablate.models.skip import DepthSkip, Stream

# The affine part of a hidden layer, from its number and the features that it reads and makes.
Affine = Callable[[int, int, int], nn.Linear | nn.Conv1d | nn.Conv2d]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeepShape:
    """Sizes and connections of a :class:`DeepStack`; the words are those of ``DeepConfig``."""

    widths: list[int]
    nonlinearity: Nonlinearity
    norm: Norm
    dropout: float
    skip: Skip


class DeepStack(nn.Module):
    """Hidden layers with norms, dropout and skips: ``y = dropout(f(norm(affine(x))))``.

    Args:
        shape: widths and choices.
        input_size: features of what it reads.
        affine: makes a layer's affine part.
        dim: where the features stand.

    Attributes:
        output_size: W, the features of what it returns.
        outputs: a module for each layer that hands on what is measured there: the stream above the layer, or, where
            the stream is no more than outputs side by side (dense), the layer's own.
    """

    def __init__(self, shape: DeepShape, input_size: int, affine: Affine, dim: int = -1) -> None:
        super().__init__()
        widths = shape.widths
        self.shape = shape
        self.nonlinearity = NONLINEARITIES[shape.nonlinearity.value]
        self.skip = DepthSkip(shape.skip, widths, dim)
        inputs = [input_size, *(self.skip.width(k) for k in range(1, len(widths)))]
        self.layers = nn.ModuleList(affine(k, i, o) for k, (i, o) in enumerate(zip(inputs, widths, strict=True)))
        normed = widths if shape.norm is Norm.layer else []
        self.norms = nn.ModuleList(FeatureNorm(width, dim) for width in normed)
        self.outputs = nn.ModuleList(nn.Identity() for _ in widths)
        self.output_size = self.skip.width(len(widths))

    def initialise(self, initialiser: Initialiser) -> None:
        """Give every parameter its initial value (norms start as the identity)."""
        for k, layer in enumerate(self.layers):
            assert isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d)
            initialiser.layer(layer, f"layers.{k}")
        self.skip.initialise(initialiser)

    def forward(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """What stands above the last layer; dropout masks come from ``generator``, None switches dropout off."""
        stream, own = Stream(x), self.shape.skip is Skip.dense
        for k, (layer, output) in enumerate(zip(self.layers, self.outputs, strict=True)):
            a = layer(stream.x)
            if self.norms:
                a = self.norms[k](a)
            y = dropout(self.nonlinearity(a), self.shape.dropout, generator)
            stream = self.skip(k, stream, output(y) if own else y)
            if not own:
                stream = stream._replace(x=output(stream.x))
        return stream.x


class FeatureNorm(nn.LayerNorm):
    """LayerNorm over the features alone, wherever they stand: for a convolution each timestep, each pixel by itself.

    Statistics over time as well would let an output see later inputs, and padding.
    """

    def __init__(self, features: int, dim: int) -> None:
        super().__init__(features)
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(self.dim, -1)).movedim(-1, self.dim)
