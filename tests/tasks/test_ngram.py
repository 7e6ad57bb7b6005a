from __future__ import annotations

import math
from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqablate.tasks.ngram import bigram_loss, unigram_loss


def loop_unigram(train: list[int], size: int) -> list[float]:
    counts = Counter(train)
    return [(counts[token] + 1) / (len(train) + size) for token in range(size)]


def loop_bigram_probability(train: list[int], size: int, context: int, token: int) -> float:
    following: dict[int, Counter] = defaultdict(Counter)
    for before, after in pairwise(train):
        following[before][after] += 1
    unigram = loop_unigram(train, size)[token]
    seen = following[context]
    if not seen:
        return unigram
    return (seen[token] + len(seen) * unigram) / (seen.total() + len(seen))


tokens = st.lists(st.integers(0, 6), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(train=tokens, predicted=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=20))
def test_both_losses_equal_a_dictionary_loop(train, predicted):
    contexts, targets = np.array(predicted).T
    unigram = loop_unigram(train, 7)
    expected = -sum(math.log(unigram[token]) for token in targets) / len(targets)
    assert unigram_loss(np.array(train), targets, 7) == pytest.approx(expected, rel=1e-12)
    expected = -sum(math.log(loop_bigram_probability(train, 7, *pair)) for pair in predicted) / len(predicted)
    assert bigram_loss(np.array(train), contexts, targets, 7) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("context", [0, 1, 2, 3])
def test_bigram_probabilities_of_every_context_sum_to_one(context):
    train = np.array([0, 1, 1, 2, 0, 1, 0, 0, 2])  # 3 never occurs
    probabilities = [math.exp(-bigram_loss(train, np.array([context]), np.array([token]), 4)) for token in range(4)]
    assert sum(probabilities) == pytest.approx(1.0, rel=1e-12)


def test_unigram_of_a_uniform_text_is_the_entropy_of_its_alphabet():
    train = np.tile(np.arange(8), 10_000)
    assert unigram_loss(train, np.arange(8), 8) == pytest.approx(math.log(8), rel=1e-9)


def test_bigram_of_a_cycle_approaches_zero_where_the_unigram_cannot():
    train = np.tile(np.arange(5, dtype=np.int32), 20_000)
    assert bigram_loss(train, train[:-1], train[1:], 5) < 1e-3
    assert unigram_loss(train, train[1:], 5) == pytest.approx(math.log(5), rel=1e-3)


def test_large_vocabulary_does_not_overflow_the_pair_keys_of_int32_ids():
    train = np.array([99_999, 99_998, 99_999, 99_998], dtype=np.int32)
    expected = -math.log(loop_bigram_probability(train.tolist(), 100_000, 99_999, 99_998))
    assert bigram_loss(train, train[:1], train[1:2], 100_000) == pytest.approx(expected, rel=1e-12)
