"""Layer-wise norm clipping: each gradient tensor g becomes g * max_norm / ||g|| where its own ||g|| exceeds max_norm.

A tensor is one parameter: a weight matrix, or a vector of biases. The direction of each is kept, that of the whole step
is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from seqablate.clip.base import Clip, ClipResult, global_norm, gradients, shrink
from seqablate.config.checks import positive
from seqablate.config.keys import key
from seqablate.config.registry import variant

if TYPE_CHECKING:
    import torch


@variant("clip", "layer")
@dataclass(kw_only=True, slots=True)
class LayerClipConfig:
    """Gradient norm of each parameter tensor scaled down to max_norm."""

    reference: ClassVar[str] = "Pascanu, Mikolov & Bengio 2013, algorithm 1, for each tensor by itself"

    max_norm: float = key(positive, "largest norm of the gradient of one parameter that passes unchanged")

    def build(self) -> LayerClip:
        """The strategy."""
        return LayerClip(self.max_norm)


@dataclass(frozen=True, slots=True)
class LayerClip(Clip):
    """See :class:`seqablate.clip.base.Clip`."""

    max_norm: float

    def __call__(self, parameters: Sequence[torch.Tensor]) -> ClipResult:
        import torch

        grads = gradients(parameters)
        before, acted = global_norm(grads), []
        for grad in grads:
            norm = global_norm([grad])
            shrink([grad], (self.max_norm / norm).clamp(max=1.0))
            acted.append(norm > self.max_norm)
        clipped = torch.stack(acted).any() if acted else torch.zeros((), dtype=torch.bool)
        return ClipResult(norm_before=before, norm_after=global_norm(grads), clipped=clipped)
