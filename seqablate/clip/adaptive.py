"""Adaptive gradient clipping (Brock et al. 2021, eq. 3): a unit's gradient is cut to a share of its weights' norm.

    g_i <- g_i * clip_factor * max(||w_i||, eps) / ||g_i||      where ||g_i|| exceeds clip_factor * max(||w_i||, eps)

A unit i is a row of a weight matrix (for each gate of a cell one), or the whole of a vector, such as all biases of a
layer, as in the published code (google-deepmind/deepmind-research, nfnets). The module that a model calls its
``readout`` is left as it is, weights and bias; of a T5 that is the table of embeddings, which both ends share. (The
published code, its ``experiment_nfnets``, leaves out the weights of its linear layers, and clips their biases.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from seqablate.clip.base import Clip, ClipResult, global_norm, gradients
from seqablate.config.checks import positive
from seqablate.config.keys import key
from seqablate.config.registry import variant

if TYPE_CHECKING:
    import torch


@variant("clip", "adaptive")
@dataclass(kw_only=True, slots=True)
class AdaptiveClipConfig:
    """Gradient of each unit scaled down to a share of the norm of its weights (AGC); not of the readout."""

    reference: ClassVar[str] = "Brock et al. 2021, eq. 3"

    clip_factor: float = key(positive, "largest ratio of a unit's gradient norm to its weights' norm")
    eps: float = key(positive, "smallest norm of weights that counts, so that zero weights can learn", headline=False)

    def build(self) -> AdaptiveClip:
        """The strategy."""
        return AdaptiveClip(self.clip_factor, self.eps)


@dataclass(slots=True)
class AdaptiveClip(Clip):
    """See :class:`seqablate.clip.base.Clip`."""

    clip_factor: float
    eps: float
    excluded: set[torch.Tensor] = field(default_factory=set)

    def prepare(self, model: torch.nn.Module) -> None:
        readout = getattr(model, "readout", None)
        self.excluded = set() if readout is None else set(readout.parameters())

    def __call__(self, parameters: Sequence[torch.Tensor]) -> ClipResult:
        import torch

        grads = gradients(parameters)
        before = global_norm(grads)
        acted = [self._cut(p) for p in parameters if p.grad is not None and p.numel() and p not in self.excluded]
        clipped = torch.stack(acted).any() if acted else torch.zeros((), dtype=torch.bool)
        return ClipResult(norm_before=before, norm_after=global_norm(grads), clipped=clipped)

    def _cut(self, p: torch.Tensor) -> torch.Tensor:
        """Clip the gradient of one parameter in place; whether anything was cut."""
        from seqablate.engine.gradients import vector_norms

        assert p.grad is not None
        rows = len(p) if p.dim() > 1 else 1
        grad = p.grad.view(rows, -1)
        limit, norm = self.clip_factor * vector_norms(p.detach().view(rows, -1)).clamp(min=self.eps), vector_norms(grad)
        cut = (norm > limit)[:, None]
        grad.copy_((grad * (limit / norm)[:, None]).to(grad.dtype).where(cut, grad))
        return cut.any()
