"""What a backward pass brings to the states of one layer and direction.

Shapes: T time, B batch, P width of the output, D hidden.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Kind = Literal["total", "direct"]
ByState = dict[str, Tensor]
Carried = tuple[Tensor | None, ...]


def vector_norms(v: Tensor) -> Tensor:
    """Norms over the last axis, in float64. Entries of float64 are divided by the largest one before the squares."""
    if v.dtype != torch.float64:
        return torch.linalg.vector_norm(v, dim=-1, dtype=torch.float64)
    scale = v.abs().amax(-1, keepdim=True)
    scale = torch.where((scale > 0) & scale.isfinite(), scale, 1.0)
    return torch.linalg.vector_norm(v / scale, dim=-1) * scale.squeeze(-1)


@dataclass(frozen=True, slots=True, eq=False)
class Gradients:
    """dL/d(state) in one backward pass, by state: ``"h"``, and ``"c"`` where the cell has one.

    Attributes:
        total, direct: the gradients themselves, [T, B, P] (or [T, B, D] for c); empty where only norms were wanted.
            What stands at a padded step means nothing.
        total_norms, direct_norms: their norms over the last axis [T, B] in float64, where a kernel has taken them
            already.
    """

    total: ByState
    direct: ByState
    total_norms: ByState | None = None
    direct_norms: ByState | None = None

    def norms(self, kind: Kind) -> ByState:
        """State -> norms [T, B], summed in float64: the square of a float32 below 1e-23 is 0 in float32."""
        known = self.total_norms if kind == "total" else self.direct_norms
        if known is not None:
            return known
        vectors = self.total if kind == "total" else self.direct
        return {state: vector_norms(v) for state, v in vectors.items()}
