"""No clipping: the gradient norm is measured and nothing is changed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seqablate.clip.base import Bound, Clip, ClipResult, measured
from seqablate.config.registry import variant

if TYPE_CHECKING:
    import torch


@variant("clip", "none")
@dataclass(kw_only=True, slots=True)
class NoClipConfig:
    """No clipping: the gradient norm is measured and nothing is changed."""

    def build(self) -> NoClip:
        """The strategy."""
        return NoClip()


@dataclass(frozen=True, slots=True)
class NoClip(Clip):
    """See :class:`seqablate.clip.base.Clip`."""

    def bound(self) -> Bound:
        return Bound("norm", math.inf)

    def __call__(self, parameters: Sequence[torch.Tensor]) -> ClipResult:
        return measured(parameters)
