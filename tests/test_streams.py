from __future__ import annotations

import zlib

import numpy as np
import pytest

from seqablate.streams import stream, stream_seed


def test_a_stream_depends_on_its_key_and_on_nothing_drawn_before():
    first = stream(3, "data", 17).random(4)
    np.random.default_rng(0).random(100)
    stream(3, "data", 16).random(1000)
    assert np.array_equal(first, stream(3, "data", 17).random(4))


def test_seed_name_and_index_each_make_another_stream():
    keys = [(0, "data", 0), (1, "data", 0), (0, "init", 0), (0, "data", 1)]
    draws = {tuple(stream(*key).integers(0, 2**62, 4)) for key in keys}
    seeds = {stream_seed(*key) for key in keys}
    assert len(draws) == len(seeds) == len(keys)


def test_streams_of_consecutive_steps_are_uncorrelated():
    draws = np.stack([stream(0, "data", step).standard_normal(2000) for step in range(40)])
    correlation = np.corrcoef(draws)
    largest = np.abs(correlation - np.eye(40)).max()
    assert largest < 5 / np.sqrt(2000)  # 780 pairs: five standard errors


def test_a_stream_seed_fits_a_torch_generator():
    assert all(0 <= stream_seed(seed, "dropout") < 2**63 for seed in range(200))


@pytest.mark.parametrize(
    "numbers",
    [(0, 0), (3, 17), (2**32 - 1, 5), (2**32, 5), (2**70, 0), (1, 2**40), (7, 1, 2, 3), (np.int64(3), np.int8(5))],
)
def test_the_key_is_a_seed_sequence_of_seed_name_and_indices(numbers):
    """Runs that are recorded were drawn with it."""
    seed, *indices = numbers
    ours, theirs = stream(seed, "data", *indices), np.random.default_rng([seed, zlib.crc32(b"data"), *indices])
    assert np.array_equal(ours.random(5), theirs.random(5))
    for our_child, their_child in zip(ours.spawn(2), theirs.spawn(2), strict=True):
        assert np.array_equal(our_child.random(5), their_child.random(5))


@pytest.mark.parametrize("number", [-1, np.int64(-1), 1.5])
def test_a_key_that_is_not_made_of_whole_numbers_from_0_on_is_refused(number):
    for numbers in ((number, 0), (0, number)):
        with pytest.raises((ValueError, TypeError)):
            stream(numbers[0], "data", numbers[1])
