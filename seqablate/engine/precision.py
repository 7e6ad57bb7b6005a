"""float32 in full on a GPU, for as long as a run takes.

By torch's default cuDNN's recurrences and convolutions round what they multiply to TensorFloat-32, which keeps 10 bits
of a number instead of 23: a gradient is then right to 1e-3, not to 1e-6.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def full_precision() -> Iterator[None]:
    """Let cuDNN multiply float32 as it is; what the process had chosen is put back. A CPU is not concerned."""
    cudnn: Any = torch.backends.cudnn
    kinds = (cudnn.rnn, cudnn.conv)
    before = [kind.fp32_precision for kind in kinds]
    for kind in kinds:
        kind.fp32_precision = "ieee"
    try:
        yield
    finally:
        for kind, chosen in zip(kinds, before, strict=True):
            kind.fp32_precision = chosen
