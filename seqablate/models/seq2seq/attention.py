"""Attention: each decoder step's context is a weighted mean of the encoder's outputs (Bahdanau et al. 2015).

Decoder states go in as they are after the step (Luong et al. 2015, section 3), so that all steps are scored at once.

Shapes: S decoder steps, T encoder timesteps, B batch, D width of decoder states, W width of encoder outputs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seqablate.models.initialise import Initialiser


class DotScore(nn.Module):
    """``s . h`` (Luong et al. 2015, eq. 8, "dot"), or ``s . W h`` where the widths differ ("general")."""

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.key = None if query_size == memory_size else nn.Linear(memory_size, query_size, bias=False)

    def initialise(self, initialiser: Initialiser, prefix: str) -> None:
        """Give its parameters their initial values."""
        if self.key is not None:
            initialiser.linear(self.key, f"{prefix}key")

    def forward(self, query_SBD: Tensor, memory_TBW: Tensor) -> Tensor:
        """Scores [B, S, T]."""
        key_TBD = memory_TBW if self.key is None else self.key(memory_TBW)
        return query_SBD.transpose(0, 1) @ key_TBD.permute(1, 2, 0)


class AdditiveScore(nn.Module):
    """``v . tanh(W s + U h)`` (Bahdanau et al. 2015, appendix A.1.2), D wide, in memory S * T * B * D."""

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.query = nn.Linear(query_size, query_size, bias=False)
        self.key = nn.Linear(memory_size, query_size, bias=False)
        self.energy = nn.Linear(query_size, 1, bias=False)

    def initialise(self, initialiser: Initialiser, prefix: str) -> None:
        """Give its parameters their initial values."""
        for name in ("query", "key", "energy"):
            initialiser.linear(getattr(self, name), prefix + name)

    def forward(self, query_SBD: Tensor, memory_TBW: Tensor) -> Tensor:
        """Scores [B, S, T]."""
        hidden_STBD = torch.tanh(self.query(query_SBD)[:, None] + self.key(memory_TBW))
        return self.energy(hidden_STBD).squeeze(-1).permute(2, 0, 1)


def attend(score: DotScore | AdditiveScore, query_SBD: Tensor, memory_TBW: Tensor) -> Tensor:
    """Contexts [S, B, W]: the mean of ``memory_TBW``, weighted for each decoder step by the softmax of its scores.

    Example:
        >>> memory_TBW = torch.tensor([[[0.0]], [[2.0]]])
        >>> attend(DotScore(1, 1), torch.zeros(1, 1, 1), memory_TBW).item()  # all scores alike: the plain mean
        1.0
    """
    weights_BST = score(query_SBD, memory_TBW).softmax(-1)
    return (weights_BST @ memory_TBW.transpose(0, 1)).transpose(0, 1)
