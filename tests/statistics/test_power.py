"""Power against sums over every sequence of outcomes, closed forms and published figures."""

from __future__ import annotations

import itertools
import math

import pytest

from seqablate.statistics.power import paired_differences, paired_rates, rates, unrelated
from seqablate.statistics.tests import fisher, mcnemar, sign_flip


def test_power_of_paired_rates_is_the_sum_over_every_sequence_of_outcomes():
    shares = (0.4, 0.45, 0.05, 0.1)

    def decide(both: int, first: int, second: int, neither: int) -> bool:
        return first - second >= 2 and both >= neither

    expected = 0.0
    for pairs in itertools.product(range(4), repeat=6):
        if decide(*(pairs.count(kind) for kind in range(4))):
            expected += math.prod(shares[kind] for kind in pairs)
    assert paired_rates(6, shares, decide) == pytest.approx(expected, rel=0, abs=1e-9)


def test_power_of_rates_is_the_sum_over_every_sequence_of_outcomes():
    def decide(k1: int, k2: int) -> bool:
        return k1 > k2 + 1

    expected = 0.0
    for one in itertools.product((0, 1), repeat=4):
        for other in itertools.product((0, 1), repeat=5):
            if decide(sum(one), sum(other)):
                expected += 0.8 ** sum(one) * 0.2 ** (4 - sum(one)) * 0.3 ** sum(other) * 0.7 ** (5 - sum(other))
    assert rates(4, 0.8, 5, 0.3, decide) == pytest.approx(expected, rel=0, abs=1e-9)


def test_fisher_s_test_of_10_runs_each_finds_95_against_50_percent_in_43_of_100_studies():
    found = rates(10, 0.95, 10, 0.5, lambda k1, k2: fisher(k1, 10, k2, 10) <= 0.05)
    assert found == pytest.approx(0.43, abs=0.005)


def test_mcnemar_s_test_rejects_a_true_null_hypothesis_in_at_most_5_percent():
    found = paired_rates(20, unrelated(0.5, 0.5), lambda _, first, second, __: mcnemar(first, second) <= 0.05)
    assert 0.01 < found <= 0.05


def test_all_tables_together_have_a_probability_of_1():
    assert paired_rates(12, unrelated(0.6, 0.3), lambda *_: True) == pytest.approx(1, abs=1e-6)
    assert rates(12, 1.0, 9, 0.0, lambda *_: True) == pytest.approx(1, abs=1e-6)


def test_power_of_paired_differences_is_right_to_a_hundredth():
    """With 6 pairs the test rejects if all signs are equal: a closed form, whatever the sizes."""
    p = 0.9

    def draw(rng, n):
        return rng.exponential(size=n) * rng.choice([1, -1], n, p=[p, 1 - p])

    found = paired_differences(6, draw, lambda values: sign_flip(values) <= 0.05)
    assert found == pytest.approx(p**6 + (1 - p) ** 6, abs=0.01)


def test_simulated_power_is_the_same_every_time():
    def simulated(seed: int) -> float:
        return paired_differences(8, lambda rng, n: rng.normal(1, 1, n), lambda v: sign_flip(v) <= 0.05, 50, seed)

    assert simulated(1) == simulated(1) != simulated(2)
