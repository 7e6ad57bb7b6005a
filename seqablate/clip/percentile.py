"""AutoClip (Seetharaman et al. 2020, algorithm 1): the global norm is cut to a percentile of all norms so far.

The norm of the step itself belongs to them, so that the first step is never cut. A norm that is not finite is left out.
The history is a part of the checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from seqablate.clip.base import Clip, ClipResult, global_norm, gradients, shrink
from seqablate.config.checks import at_least
from seqablate.config.keys import key
from seqablate.config.registry import variant
from seqablate.errors import UsageError

if TYPE_CHECKING:
    import torch


def _percentile(key: str, value: float) -> None:
    if not 0 <= value <= 100:
        raise UsageError(f"{key}={value}: must be from 0 to 100")


@variant("clip", "percentile")
@dataclass(kw_only=True, slots=True)
class PercentileClipConfig:
    """Global gradient norm scaled down to a percentile of the norms so far (AutoClip)."""

    reference: ClassVar[str] = "Seetharaman et al. 2020, algorithm 1"

    percentile: float = key(_percentile, "of the norms before clipping, from 0 to 100; the paper has 10")
    window: int | None = key(at_least(1), "how many of the last norms count; null: all, as in the paper")

    def build(self) -> PercentileClip:
        """The strategy."""
        return PercentileClip(self.percentile, self.window)


@dataclass(slots=True)
class PercentileClip(Clip):
    """See :class:`seqablate.clip.base.Clip`; ``norms`` are those so far (float64), NaN where one was not finite."""

    percentile: float
    window: int | None
    norms: torch.Tensor | None = field(default=None)

    def __call__(self, parameters: Sequence[torch.Tensor]) -> ClipResult:
        import torch

        grads = gradients(parameters)
        norm = global_norm(grads)
        known = norm.where(norm.isfinite(), torch.nan)[None]
        norms = known if self.norms is None else torch.cat([self.norms.to(norm.device), known])
        self.norms = norms if self.window is None else norms[-self.window :]
        limit = torch.nanquantile(self.norms, self.percentile / 100)
        factor = (limit / norm).where(norm > limit, 1.0)
        shrink(grads, factor)
        return ClipResult(norm_before=norm, norm_after=norm * factor, clipped=norm > limit)

    def state_dict(self) -> dict[str, torch.Tensor]:
        return {} if self.norms is None else {"norms": self.norms.cpu()}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        import torch

        norms = state.get("norms")
        if state and (len(state) != 1 or norms is None or norms.dim() != 1 or norms.dtype != torch.float64):
            raise ValueError("this clip remembers a list of norms")
        self.norms = norms
