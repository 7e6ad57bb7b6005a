"""Value clipping: every gradient entry is cut to [-clip_value, clip_value].

Source: Mikolov 2012, section 3.2.2. The direction of the step changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from seqablate.clip.base import Bound, Clip, ClipResult, global_norm, gradients, largest_entry
from seqablate.config.checks import positive
from seqablate.config.keys import key
from seqablate.config.registry import variant

if TYPE_CHECKING:
    import torch


@variant("clip", "value")
@dataclass(kw_only=True, slots=True)
class ValueClipConfig:
    """Every gradient entry cut to [-clip_value, clip_value]."""

    reference: ClassVar[str] = "Mikolov 2012, section 3.2.2"

    clip_value: float = key(positive, "largest absolute value of a gradient entry that passes unchanged")

    def build(self) -> ValueClip:
        """The strategy."""
        return ValueClip(self.clip_value)


@dataclass(frozen=True, slots=True)
class ValueClip(Clip):
    """See :class:`seqablate.clip.base.Clip`."""

    clip_value: float

    def bound(self) -> Bound:
        return Bound("value", self.clip_value)

    def __call__(self, parameters: Sequence[torch.Tensor]) -> ClipResult:
        import torch

        grads = gradients(parameters)
        before, clipped = global_norm(grads), largest_entry(grads) > self.clip_value
        if grads:
            torch._foreach_clamp_min_(grads, -self.clip_value)
            torch._foreach_clamp_max_(grads, self.clip_value)
        return ClipResult(norm_before=before, norm_after=global_norm(grads), clipped=clipped)
