"""Global norm clipping: the whole gradient g becomes g * max_norm / ||g|| where ||g|| exceeds max_norm.

Source: Pascanu, Mikolov & Bengio 2013, algorithm 1. The direction of the step is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from seqablate.clip.base import Bound, Clip, ClipResult, global_norm, gradients, shrink
from seqablate.config.checks import positive
from seqablate.config.keys import key
from seqablate.config.registry import variant

if TYPE_CHECKING:
    import torch


@variant("clip", "norm")
@dataclass(kw_only=True, slots=True)
class NormClipConfig:
    """Global gradient norm scaled down to max_norm."""

    reference: ClassVar[str] = "Pascanu, Mikolov & Bengio 2013, algorithm 1"

    max_norm: float = key(positive, "largest global gradient norm that passes unchanged")

    def build(self) -> NormClip:
        """The strategy."""
        return NormClip(self.max_norm)


@dataclass(frozen=True, slots=True)
class NormClip(Clip):
    """See :class:`seqablate.clip.base.Clip`."""

    max_norm: float

    def bound(self) -> Bound:
        return Bound("norm", self.max_norm)

    def __call__(self, parameters: Sequence[torch.Tensor]) -> ClipResult:
        grads = gradients(parameters)
        norm = global_norm(grads)
        factor = (self.max_norm / norm).clamp(max=1.0)  # one for all: the direction is kept
        shrink(grads, factor)
        return ClipResult(norm_before=norm, norm_after=norm * factor, clipped=norm > self.max_norm)
