"""Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from seqablate.config.checks import at_least
from seqablate.config.keys import key
from seqablate.config.registry import variant
from seqablate.optim.adam import AdamConfig


@variant("optim", "adamw")
@dataclass(kw_only=True, slots=True)
class AdamWConfig(AdamConfig):
    """Adam with decoupled weight decay: it acts on the weights themselves.

    Keys are the arguments of ``torch.optim.AdamW``.
    """

    reference: ClassVar[str] = "Loshchilov & Hutter 2019, algorithm 2"

    torch_name: ClassVar[str] = "AdamW"

    weight_decay: float = key(at_least(0), "decoupled weight decay of weights, not of biases")
