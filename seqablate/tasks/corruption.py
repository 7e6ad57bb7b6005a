"""What T5's objectives make of a stretch of text: a source, and a target (Raffel et al. 2020, sections 3.1.4 and 3.3).

Of the text ``one two three four five six``, in words::

    objective         source                              target
    span_corruption   one <0> four five <1> <end>         <0> two three <1> six <end>
    prefix_lm         one two three <end>                 four five six <end>
    deshuffle         four one six two five three <end>   one two three four five six <end>
    denoise           one <0> three <0> five nine <end>   one two three four five six <end>

The paper's own code is the reference (google-research/text-to-text-transfer-transformer: the preprocessors, and the
objectives of its gin files). What differs from it:

- Sentinels are numbered upwards from the end of the text's vocabulary, there downwards from the last token.
- ``prefix_lm`` cuts every stretch in the middle. There the place is uniform, with the middle as its mean.
- ``denoise`` (there iid_15_r10s90_f) draws its random tokens from the text's vocabulary without ``<unk>``, there from
  all tokens that are not reserved, sentinels among them.
- Numbers of tokens and spans are rounded in float64, there in float32. More spans than tokens between them are refused.
- As in the code, and unlike the paper's figure 2, the last token of a stretch is always corrupted by
  ``span_corruption``, so that no sentinel stands after the last span; ``<end>`` does.

Shapes: B batch, N tokens of text in a stretch, M spans, T source steps, S target steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

RANDOM = 0.1  # of the tokens that denoise corrupts, the share that becomes a random token


class Corruption(Enum):
    """T5's objectives: what becomes of a stretch of text."""

    span_corruption = "span_corruption"  # spans are replaced by sentinels; the target is the spans
    prefix_lm = "prefix_lm"  # the second half follows the first
    deshuffle = "deshuffle"  # the tokens are put in order again
    denoise = "denoise"  # single tokens are masked, or replaced; the target is the whole text, as in BERT


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How sources and targets are made, all of one length.

    Token ids are those of the text, then the sentinels, then ``<end>``, then ``<start>``, a decoder's first input. The
    vocabulary is the same for every objective, so that two models differ in nothing else.

    Args:
        objective: what becomes of the text.
        length: tokens N of a stretch, 2 or more.
        rate: share of the tokens that are corrupted.
        mean_span: their number in a span, on average.
    """

    objective: Corruption
    length: int
    rate: float
    mean_span: float

    @property
    def noise(self) -> int:
        """Tokens that span_corruption takes out of a stretch: at least one, and never all."""
        return min(max(round(self.length * self.rate), 1), self.length - 1)

    @property
    def spans(self) -> int:
        """Spans M in which they stand, each with a sentinel."""
        return max(round(self.noise / self.mean_span), 1)

    @property
    def target_text(self) -> int:
        """Tokens of text in a target."""
        half = self.length - self.length // 2
        return {Corruption.span_corruption: self.noise, Corruption.prefix_lm: half}.get(self.objective, self.length)

    @property
    def steps(self) -> tuple[int, int]:
        """T and S."""
        kept, sentinels = self.length, 0
        if self.objective is Corruption.span_corruption:
            kept, sentinels = self.length - self.noise, self.spans
        elif self.objective is Corruption.prefix_lm:
            kept = self.length // 2
        return kept + sentinels + 1, self.target_text + sentinels + 1

    def names(self, vocabulary: tuple[str, ...]) -> tuple[str, ...]:
        """Every token, in the order of the ids; the last is only ever an input."""
        return (*vocabulary, *(f"<{k}>" for k in range(self.spans)), "<end>", "<start>")

    def corrupt(self, rng: np.random.Generator, text_BN: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Sources [B, T] and targets [B, S].

        Args:
            rng: where chance comes from; the first samples are those of a smaller batch.
            text_BN: token ids.
            size: of the text's vocabulary.
        """
        source, target = self._parts(rng, text_BN, size)
        end_B1 = np.full((len(text_BN), 1), size + self.spans)
        return np.concatenate([source, end_B1], 1), np.concatenate([target, end_B1], 1)

    def _parts(self, rng: np.random.Generator, text_BN: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
        match self.objective:
            case Corruption.span_corruption:
                mask_BN = random_spans(rng, len(text_BN), self.length, self.noise, self.spans)
                return with_sentinels(text_BN, mask_BN, size), with_sentinels(text_BN, ~mask_BN, size)
            case Corruption.prefix_lm:
                return text_BN[:, : self.length // 2], text_BN[:, self.length // 2 :]
            case Corruption.deshuffle:
                return np.take_along_axis(text_BN, rng.random(text_BN.shape).argsort(1), 1), text_BN
            case Corruption.denoise:
                return masked(rng, text_BN, self.rate, size), text_BN


def random_spans(rng: np.random.Generator, count: int, length: int, noise: int, spans: int) -> np.ndarray:
    """Which tokens are corrupted, [B, N]: ``noise`` of them in ``spans`` spans, all such masks equally likely.

    Spans that are kept and spans that are corrupted take turns, beginning with one that is kept
    (``random_spans_noise_mask`` of the reference).
    """
    for_kept, for_lost = rng.spawn(2)
    kept_BM = random_lengths(for_kept, count, length - noise, spans)
    lost_BM = random_lengths(for_lost, count, noise, spans)
    ends = np.stack([kept_BM, lost_BM], -1).reshape(count, -1).cumsum(1)
    turn_BN = np.zeros((count, length), dtype=np.int64)
    np.put_along_axis(turn_BN, ends[:, :-1], 1, 1)
    return turn_BN.cumsum(1) % 2 == 1


def random_lengths(rng: np.random.Generator, count: int, items: int, parts: int) -> np.ndarray:
    """Lengths [B, parts] of 1 or more that add up to ``items``, all such equally likely."""
    cuts = np.zeros((count, parts + 1), dtype=np.int64)
    cuts[:, 1:-1] = np.sort(rng.random((count, items - 1)).argsort(1)[:, : parts - 1], 1) + 1
    cuts[:, -1] = items
    return cuts[:, 1:] - cuts[:, :-1]


def with_sentinels(text_BN: np.ndarray, mask_BN: np.ndarray, first: int) -> np.ndarray:
    """Each run of masked tokens becomes one sentinel, numbered from ``first`` on; as many tokens left in every row.

    Example:
        >>> mask = np.array([[False, True, True, False, True]])
        >>> with_sentinels(np.array([[5, 6, 7, 8, 9]]), mask, 100).tolist()
        [[5, 100, 8, 101]]
    """
    before_BN = np.zeros_like(mask_BN)
    before_BN[:, 1:] = mask_BN[:, :-1]
    start_BN = mask_BN & ~before_BN
    marked_BN = np.where(start_BN, first - 1 + start_BN.cumsum(1), text_BN)
    return marked_BN[~(mask_BN & before_BN)].reshape(len(text_BN), -1)


def masked(rng: np.random.Generator, text_BN: np.ndarray, rate: float, size: int) -> np.ndarray:
    """Each token with probability ``rate`` replaced: by the first sentinel, or (RANDOM of them) by a random token."""
    for_mask, for_kind, for_token = rng.spawn(3)
    token_BN = for_token.integers(1, size, text_BN.shape)
    new_BN = np.where(for_kind.random(text_BN.shape) < RANDOM, token_BN, size)
    return np.where(for_mask.random(text_BN.shape) < rate, new_BN, text_BN)


def stretches(rng: np.random.Generator, ids: np.ndarray, count: int, length: int) -> np.ndarray:
    """``count`` stretches [B, N] of a text, each from a place of its own, drawn uniformly."""
    start_B = (rng.random(count) * (len(ids) - length + 1)).astype(np.int64)
    return ids[start_B[:, None] + np.arange(length)].astype(np.int64)
