"""Skips over depth, one implementation for every stack.

A stack's first layer brings the input to the stack's width; skips act from the second layer on. With x what a layer
reads and y what it makes of it, the next layer reads

    none            y
    residual        x + y                               He et al. 2015, eq. 1
    dense           [x, y], side by side                Huang et al. 2017, eq. 2
    dense_residual  y + the sum of what this layer and all before it read     Britz et al. 2017, section 4.3 (ResD)
    highway         T(x) y + (1 - T(x)) x,  T(x) = sigmoid(W_T x + b_T)       Srivastava et al. 2015, eq. 3

He's residual branch has two convolutions with batch norm; here a branch is the stack's own layer, whatever that is, so
that the skip is all that differs between two arms.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seqablate.models.choices import Skip
from seqablate.models.initialise import Initialiser


class Stream(NamedTuple):
    """What flows up a stack.

    Args:
        x: what the next layer reads.
        total: the sum of what the layers so far have read, for ``dense_residual``.
    """

    x: Tensor
    total: Tensor | None = None


class DepthSkip(nn.Module):
    """The skips of one stack.

    Args:
        kind: which.
        widths: of each layer's output. All the same, unless ``kind`` is ``none`` or ``dense``.
        dim: where the features stand in a layer's output: -1, or 1 as in convolutions.

    Example:
        >>> skip = DepthSkip(Skip.residual, [8, 8])
        >>> stream = skip(0, Stream(torch.zeros(4, 3)), torch.ones(4, 8))
        >>> float(skip(1, stream, torch.ones(4, 8)).x[0, 0])
        2.0
    """

    def __init__(self, kind: Skip, widths: list[int], dim: int = -1) -> None:
        super().__init__()
        self.kind, self.widths, self.dim = kind, widths, dim
        gates = widths[:-1] if kind is Skip.highway else []
        self.gates = nn.ModuleList(nn.Linear(width, width) for width in gates)

    def width(self, layers: int) -> int:
        """Features of the stream above so many layers (1 or more)."""
        return sum(self.widths[:layers]) if self.kind is Skip.dense else self.widths[layers - 1]

    def forward(self, layer: int, stream: Stream, y: Tensor) -> Stream:
        """The stream above a layer that read ``stream.x`` and made ``y`` of it; ``layer`` counts from 0."""
        x = stream.x
        if layer == 0 or self.kind is Skip.none:
            return Stream(y)
        if self.kind is Skip.residual:
            return Stream(x + y)
        if self.kind is Skip.dense:
            return Stream(torch.cat([x, y], self.dim))
        if self.kind is Skip.dense_residual:
            total = x if stream.total is None else stream.total + x
            return Stream(y + total, total)
        return Stream(torch.lerp(x, y, self._transform(self.gates[layer - 1], x).sigmoid()))

    def _transform(self, gate: nn.Module, x: Tensor) -> Tensor:
        """W_T x + b_T, over the features wherever they stand: of a convolution's as a kernel of one point."""
        assert isinstance(gate, nn.Linear)
        if self.dim == -1:
            return gate(x)
        return F.conv1d(x.flatten(2), gate.weight[:, :, None], gate.bias).view_as(x)

    def initialise(self, initialiser: Initialiser, prefix: str = "") -> None:
        """Give its parameters their initial values."""
        for k, gate in enumerate(self.gates):
            assert isinstance(gate, nn.Linear)
            initialiser.transform_gate(gate, f"{prefix}skip.gates.{k}")
