"""Small functions that models share. Shapes: T time, B batch, D features."""

from __future__ import annotations

import torch
from torch import Tensor


def dropout(x: Tensor, p: float, generator: torch.Generator | None) -> Tensor:
    """Inverted dropout (Srivastava et al. 2014) with the mask drawn from ``generator``; None leaves ``x`` as it is."""
    if p == 0 or generator is None:
        return x
    keep = torch.empty_like(x).bernoulli_(1 - p, generator=generator)
    return x * keep.div_(1 - p)


def reverse_steps(x_TB: Tensor, lengths: Tensor | None) -> Tensor:
    """Reverse each sample's valid steps, leaving its padding at the end. ``x_TB`` is [T, B, ...]; its own inverse."""
    if lengths is None:
        return x_TB.flip(0)
    t_T1 = torch.arange(len(x_TB), device=x_TB.device)[:, None]
    source_TB = torch.where(t_T1 < lengths, lengths - 1 - t_T1, t_T1)
    return x_TB[source_TB, torch.arange(x_TB.shape[1], device=x_TB.device)]


def last_step(x_TBD: Tensor, lengths: Tensor | None) -> Tensor:
    """[B, D] at each sample's last valid step."""
    if lengths is None:
        return x_TBD[-1]
    return x_TBD[lengths - 1, torch.arange(x_TBD.shape[1], device=x_TBD.device)]
