"""What a clipping strategy is: a pure object that changes gradients in place and says what it did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class ClipResult:
    """Scalars on the gradients' device: global L2 norm before and after, and whether anything was cut (bool)."""

    norm_before: torch.Tensor
    norm_after: torch.Tensor
    clipped: torch.Tensor


class Clip(Protocol):
    """A clipping strategy, built once per run."""

    def __call__(self, parameters: Sequence[torch.Tensor]) -> ClipResult:
        """Clip the ``.grad`` of ``parameters`` in place. Called after ``backward()``, before the optimizer."""


def gradients(parameters: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """The gradients that exist, in the order of ``parameters``."""
    return [p.grad for p in parameters if p.grad is not None]
