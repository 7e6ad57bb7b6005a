"""Layers of T5, and its relative positions. Shapes: T queries, S keys, B batch, D hidden, H heads, E = D / H."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seqablate.models.functional import dropout

EPSILON = 1e-6  # of every norm, as in the paper's code


@dataclass(frozen=True, slots=True, kw_only=True)
class T5Shape:
    """Sizes and choices of a T5; the words are those of ``T5Config``. ``gated``: feed-forward nets of T5 1.1."""

    hidden_size: int
    num_layers: int
    num_heads: int
    dim_feedforward: int
    dropout: float
    gated: bool
    num_buckets: int
    max_distance: int


def buckets(distance: Tensor, count: int, max_distance: int, causal: bool) -> Tensor:
    """The bucket of each distance (timestep of the key less that of the query), int64 in [0, count).

    Near distances have a bucket each; those of far ones grow by a constant factor up to ``max_distance``, and what is
    farther shares the last. Unless ``causal``, the first half of the buckets is for keys at or before the query, the
    second for those after it. Source: Raffel et al. 2020, section 2.1, and Mesh TensorFlow, in whose code the numbers
    stand: half of a direction's buckets are for single distances.

    Example:
        >>> buckets(torch.tensor([-200, -9, -3, 0, 2]), 8, 20, causal=True).tolist()
        [7, 6, 3, 0, 0]
        >>> buckets(torch.tensor([-200, -9, -1, 0, 1, 200]), 8, 20, causal=False).tolist()
        [3, 3, 1, 0, 5, 7]
    """
    if causal:
        start, far = torch.zeros_like(distance), (-distance).clamp(min=0)
    else:
        count //= 2
        start, far = (distance > 0).long() * count, distance.abs()
    single = count // 2
    # In float32, as in the paper's code: where a distance stands on an edge, rounding says to which bucket it belongs.
    edge = torch.log(far.clamp(min=single).float() / single) / math.log(max_distance / single) * (count - single)
    return start + torch.where(far < single, far, (single + edge.long()).clamp(max=count - 1))


class RelativeBias(nn.Module):
    """What is added to the attention scores of all layers of a stack: a learned number for each bucket and head.

    Args:
        shape: buckets and heads.
        steps: the longest sequence.
        causal: whether no query may see a later key.
    """

    bucket_TT: Tensor
    later_TT: Tensor

    def __init__(self, shape: T5Shape, steps: int, causal: bool) -> None:
        super().__init__()
        self.causal = causal
        self.table = nn.Embedding(shape.num_buckets, shape.num_heads)
        distance_TT = torch.arange(steps) - torch.arange(steps)[:, None]
        bucket_TT = buckets(distance_TT, shape.num_buckets, shape.max_distance, causal)
        self.register_buffer("bucket_TT", bucket_TT, persistent=False)
        self.register_buffer("later_TT", distance_TT > 0, persistent=False)

    def forward(self, T: int) -> Tensor:
        """[H, T, T] of the first ``T`` timesteps."""
        bias_HTT: Tensor = self.table(self.bucket_TT[:T, :T]).permute(2, 0, 1)
        return bias_HTT.masked_fill(self.later_TT[:T, :T], -math.inf) if self.causal else bias_HTT


class Attention(nn.Module):
    """Multi-head attention without biases and without the scale 1/sqrt(E): the initial values of q_proj hold it."""

    def __init__(self, shape: T5Shape) -> None:
        super().__init__()
        D = shape.hidden_size
        self.heads, self.dropout = shape.num_heads, shape.dropout
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(D, D, bias=False) for _ in range(4))

    def forward(
        self, x_TBD: Tensor, memory_SBD: Tensor, bias: Tensor | float, generator: torch.Generator | None
    ) -> Tensor:
        """[T, B, D]: what each timestep of ``x`` reads of ``memory``; ``bias`` [H, T, S] is added to the scores."""
        q_BHTE, k_BHSE, v_BHSE = (
            self._split(y) for y in (self.q_proj(x_TBD), self.k_proj(memory_SBD), self.v_proj(memory_SBD))
        )
        weights_BHTS = (q_BHTE @ k_BHSE.transpose(-1, -2) + bias).softmax(-1)
        found_BHTE = dropout(weights_BHTS, self.dropout, generator) @ v_BHSE
        found_TBD: Tensor = self.out_proj(found_BHTE.permute(2, 0, 1, 3).flatten(2))
        return found_TBD

    def _split(self, y_TBD: Tensor) -> Tensor:
        """[B, H, T, E]."""
        return y_TBD.unflatten(-1, (self.heads, -1)).permute(1, 2, 0, 3)


class FeedForward(nn.Module):
    """``W_2 relu(W_1 x)``; gated: ``W_2 (gelu(W_1 x) * W_g x)`` with gelu's approximation by tanh, as in T5 1.1."""

    def __init__(self, shape: T5Shape) -> None:
        super().__init__()
        D, width = shape.hidden_size, shape.dim_feedforward
        self.dropout = shape.dropout
        self.linear1, self.linear2 = nn.Linear(D, width, bias=False), nn.Linear(width, D, bias=False)
        self.gate = nn.Linear(D, width, bias=False) if shape.gated else None

    def forward(self, x_TBD: Tensor, generator: torch.Generator | None) -> Tensor:
        inner = self.linear1(x_TBD)
        inner = F.relu(inner) if self.gate is None else F.gelu(inner, approximate="tanh") * self.gate(x_TBD)
        y_TBD: Tensor = self.linear2(dropout(inner, self.dropout, generator))
        return y_TBD


class Layer(nn.Module):
    """One layer of an encoder, or (with ``reads_memory``) of a decoder; its output is the residual stream."""

    def __init__(self, shape: T5Shape, reads_memory: bool) -> None:
        super().__init__()
        self.dropout = shape.dropout
        self.self_norm, self.self_attn = norm(shape), Attention(shape)
        self.cross_norm = norm(shape) if reads_memory else None
        self.cross_attn = Attention(shape) if reads_memory else None
        self.feed_forward_norm, self.feed_forward = norm(shape), FeedForward(shape)

    def forward(
        self, x_TBD: Tensor, bias_HTT: Tensor, memory_SBD: Tensor | None, generator: torch.Generator | None
    ) -> Tensor:
        y_TBD = self.self_norm(x_TBD)
        x_TBD = self._add(x_TBD, self.self_attn(y_TBD, y_TBD, bias_HTT, generator), generator)
        if self.cross_attn is not None and self.cross_norm is not None:
            y_TBD = self.cross_attn(self.cross_norm(x_TBD), memory_SBD, 0.0, generator)
            x_TBD = self._add(x_TBD, y_TBD, generator)
        return self._add(x_TBD, self.feed_forward(self.feed_forward_norm(x_TBD), generator), generator)

    def _add(self, x_TBD: Tensor, y_TBD: Tensor, generator: torch.Generator | None) -> Tensor:
        return x_TBD + dropout(y_TBD, self.dropout, generator)


def norm(shape: T5Shape) -> nn.RMSNorm:
    """RMS norm with a scale and no bias (Zhang & Sennrich 2019, eq. 4)."""
    return nn.RMSNorm(shape.hidden_size, eps=EPSILON)
