"""Adam with Nesterov momentum (Dozat 2016)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from seqablate.config.registry import variant
from seqablate.optim.adam import AdamConfig


@variant("optim", "nadam")
@dataclass(kw_only=True, slots=True)
class NAdamConfig(AdamConfig):
    """Adam with Nesterov momentum.

    Keys are the arguments of ``torch.optim.NAdam``.
    """

    reference: ClassVar[str] = "Dozat 2016"

    torch_name: ClassVar[str] = "NAdam"
    more: ClassVar[dict[str, Any]] = {}
