"""Clipping inside the recurrence: at every timestep the norm of each sample's dL/dh_t is cut to max_norm.

    dL/dh_t <- dL/dh_t * min(1, max_norm / ||dL/dh_t||)      and the same for dL/dc_t, where the cell has a c

It acts during the backward pass, on the total gradient of a state: what has arrived from its own timestep and from all
later ones. An explosion is cut where it begins, before it reaches earlier timesteps and the weights. The gradients of
the weights are those of the clipped pass; they are not changed once more. Clipping what flows back through time, there
entry by entry, is described by Graves 2013, section 2.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from seqablate.clip.base import Clip, ClipResult, measured
from seqablate.config.checks import positive
from seqablate.config.keys import key
from seqablate.config.registry import variant
from seqablate.engine import kernels

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@variant("clip", "state")
@dataclass(kw_only=True, slots=True)
class StateNormClipConfig:
    """Norm of each sample's dL/dh_t, and of its dL/dc_t, scaled down to max_norm inside the recurrence.

    L is the sample's own loss, as in the recorded curves: a profile's total, which is recorded as it is after clipping,
    never exceeds it. A training step counts as clipped if the gradient of any sample was cut at any timestep.
    """

    reference: ClassVar[str] = "Graves 2013, section 2.1 (there entry by entry)"

    max_norm: float = key(positive, "largest norm of one sample's gradient at one timestep that passes unchanged")

    def build(self) -> StateNormClip:
        """The strategy."""
        return StateNormClip(self.max_norm)


@dataclass(frozen=True, slots=True)
class StateNormClip(Clip):
    """See :class:`seqablate.clip.base.Clip`."""

    max_norm: float

    def inside(self, samples: int) -> NormLimit:
        return NormLimit(self.max_norm / samples)

    def __call__(self, parameters: Sequence[torch.Tensor]) -> ClipResult:
        return measured(parameters)


class NormLimit(NamedTuple):
    """See :class:`seqablate.engine.ports.StateClip`."""

    max_norm: float

    def tensor(self, d_BD: Tensor) -> Tensor:
        from seqablate.engine.gradients import vector_norms

        factor_B1 = (self.max_norm / vector_norms(d_BD))[:, None]
        return (d_BD * factor_B1).to(d_BD.dtype).where(factor_B1 < 1, d_BD)

    def rows(self, d: Any, D: int) -> bool:
        acted = False
        for i in range(d.shape[0]):
            norm = kernels.norm(d[i, :D])
            if norm > self.max_norm:
                acted = True
                for j in range(D):
                    d[i, j] *= self.max_norm / norm
        return acted
