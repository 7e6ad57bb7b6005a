"""The sum of all squared weights (Krogh & Hertz 1992): their gradient is 2 w.

Biases and gains, which are vectors, are left out. Unlike an optimizer's ``weight_decay`` it is part of the gradient
that is clipped and whose norm is recorded.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from seqablate.config.registry import variant
from seqablate.regularizer.base import Found, Measure, Regularizer, WeightedConfig

if TYPE_CHECKING:
    from torch import Tensor


@variant("regularizer", "l2")
@dataclass(kw_only=True, slots=True)
class L2Config(WeightedConfig):
    """Sum of the squares of all weights, biases left out."""

    reference: ClassVar[str] = "Krogh & Hertz 1992"

    def build(self) -> L2:
        """The regularizer."""
        return L2()


class L2(Regularizer):
    """See :class:`seqablate.regularizer.base.Regularizer`."""

    @contextmanager
    def watching(self, model: Any) -> Iterator[Measure]:
        import torch

        weights = [p for p in model.parameters() if p.requires_grad and p.dim() > 1]

        def measure(valid_TB: Tensor | None) -> Found:
            squares = torch.stack([p.detach().square().sum() for p in weights])
            return squares.sum(), [(p, 2 * p.detach()) for p in weights]

        yield measure
