"""What all optimizers share: weight decay acts on weights, not on biases."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def decayed(parameters: Iterable[torch.nn.Parameter], weight_decay: float) -> list[dict[str, Any]]:
    """Groups for torch.optim: weight decay for what has two dimensions or more, none for vectors (biases, gains).

    Without weight decay it is one group, in the order of ``parameters``.
    """
    found = list(parameters)
    if not weight_decay:
        return [{"params": found, "weight_decay": 0.0}]
    weights, vectors = ([p for p in found if (p.dim() > 1) == wide] for wide in (True, False))
    groups = [{"params": weights, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]
