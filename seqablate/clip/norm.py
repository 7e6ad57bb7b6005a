"""Global norm clipping: the whole gradient g becomes g * max_norm / ||g|| where ||g|| exceeds max_norm.

Source: Pascanu, Mikolov & Bengio 2013, algorithm 1. The direction of the step is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from omegaconf import MISSING

from seqablate.clip.base import ClipResult, gradients
from seqablate.config.registry import variant
from seqablate.config.schema import positive

if TYPE_CHECKING:
    import torch


@variant("clip", "norm")
@dataclass(kw_only=True, slots=True)
class NormClipConfig:
    """``max_norm`` > 0: the largest global L2 norm that passes unchanged."""

    max_norm: float = MISSING

    def __post_init__(self) -> None:
        positive("clip.max_norm", self.max_norm)

    def build(self) -> NormClip:
        """The strategy."""
        return NormClip(self.max_norm)


@dataclass(frozen=True, slots=True)
class NormClip:
    """See :class:`seqablate.clip.base.Clip`."""

    max_norm: float

    def __call__(self, parameters: Sequence[torch.Tensor]) -> ClipResult:
        import torch
        from torch.nn.utils import get_total_norm

        grads = gradients(parameters)
        norm = get_total_norm(grads)
        # One factor for all: 1 where nothing is to be cut, so that small gradients stay to the last bit what they were.
        factor = (self.max_norm / norm).clamp(max=1.0)
        torch._foreach_mul_(grads, factor)
        return ClipResult(norm_before=norm, norm_after=norm * factor, clipped=(norm > self.max_norm).to(norm.dtype))
