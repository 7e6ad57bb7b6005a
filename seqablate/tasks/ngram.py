"""Count-based baselines for next-token prediction: what can be reached without memory, or with a memory of one token.

Shapes: N training tokens, M predicted tokens, V vocabulary. Counts are kept sparse, so V = 10,000 costs no V x V table.
"""

from __future__ import annotations

import numpy as np


def unigram_loss(train_N: np.ndarray, target_M: np.ndarray, vocabulary_size: int) -> float:
    """Mean loss (nats per token) of predicting every token by its frequency alone, with add-one smoothing.

    ``P(w) = (c(w) + 1) / (N + V)``, so a token never seen in training has a finite loss.

    Args:
        train_N: token ids to count, in [0, V).
        target_M: token ids to predict, at least one.
        vocabulary_size: V.

    Example:
        >>> round(unigram_loss(np.array([0, 0, 1]), np.array([0]), 2), 4)  # -ln(3/5)
        0.5108
    """
    return float(-np.log(_unigram(train_N, vocabulary_size)[target_M]).mean())


def bigram_loss(train_N: np.ndarray, context_M: np.ndarray, target_M: np.ndarray, vocabulary_size: int) -> float:
    """Mean loss (nats per token) of predicting each token from the one before it.

    Witten-Bell smoothing in its interpolated form, which has no parameter to tune. With c(v) the occurrences of v as a
    context and t(v) the number of different tokens that followed it::

        P(w | v) = (c(v, w) + t(v) * P(w)) / (c(v) + t(v)),      P(w | v) = P(w) where v was never a context

    Witten & Bell 1991, method C; written out by Chen & Goodman 1999, section 2.5. P(w) is that of :func:`unigram_loss`.

    Args:
        train_N: token ids to count, one contiguous text.
        context_M: the token before each predicted one.
        target_M: the tokens to predict.
        vocabulary_size: V.
    """
    pairs, pair_counts = np.unique(_pairs(train_N[:-1], train_N[1:], vocabulary_size), return_counts=True)
    followers_V = np.bincount(pairs // vocabulary_size, minlength=vocabulary_size)
    context_V = np.bincount(train_N[:-1], minlength=vocabulary_size)

    count_M = _lookup(pairs, pair_counts, _pairs(context_M, target_M, vocabulary_size))
    unigram_M = _unigram(train_N, vocabulary_size)[target_M]
    total_M = context_V[context_M] + followers_V[context_M]
    # A context without followers has count and weight 0: dividing by 1 there leaves room for the unigram alone.
    bigram_M = (count_M + followers_V[context_M] * unigram_M) / np.maximum(total_M, 1)
    return float(-np.log(np.where(total_M > 0, bigram_M, unigram_M)).mean())


def perplexity(loss: float) -> float:
    """Of nats per token; infinite where it overflows."""
    with np.errstate(over="ignore"):
        return float(np.exp(loss))


def _unigram(train_N: np.ndarray, vocabulary_size: int) -> np.ndarray:
    return (np.bincount(train_N, minlength=vocabulary_size) + 1.0) / (len(train_N) + vocabulary_size)


def _pairs(context: np.ndarray, target: np.ndarray, vocabulary_size: int) -> np.ndarray:
    """One int64 for each (context, target)."""
    return context.astype(np.int64) * vocabulary_size + target


def _lookup(keys: np.ndarray, values: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """``values`` of the sorted ``keys`` at ``queries``, 0 where a query is no key."""
    if not len(keys):
        return np.zeros(len(queries), dtype=np.int64)
    found = np.minimum(np.searchsorted(keys, queries), len(keys) - 1)
    return np.where(keys[found] == queries, values[found], 0)
