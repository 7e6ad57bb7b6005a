"""Rectified Adam (Liu et al. 2020, algorithm 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from seqablate.config.registry import variant
from seqablate.optim.adam import AdamConfig


@variant("optim", "radam")
@dataclass(kw_only=True, slots=True)
class RAdamConfig(AdamConfig):
    """Rectified Adam: plain momentum until the running mean of squares is known well.

    Keys are the arguments of ``torch.optim.RAdam``.
    """

    reference: ClassVar[str] = "Liu et al. 2020, algorithm 2"

    torch_name: ClassVar[str] = "RAdam"
    more: ClassVar[dict[str, Any]] = {}
