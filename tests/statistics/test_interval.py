"""Intervals against scipy, statsmodels and the examples that their authors published."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqablate.statistics.interval import (
    Interval,
    at_most,
    median,
    order_statistic,
    paired_rate_difference,
    rate,
    rate_difference,
)

INF = math.inf
LEVELS = (0.5, 0.9, 0.95, 0.99)
CLOSE = {"rel": 0, "abs": 1e-12}


def bounds(interval: Interval) -> tuple[float | None, float | None]:
    return interval.low, interval.high


# Rates


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("n", [1, 5, 10, 30, 1000])
def test_a_rate_has_the_bounds_of_scipy(n, level):
    from scipy.stats import binomtest

    for k in {0, 1, n // 3, n // 2, n - 1, n}:
        expected = binomtest(k, n).proportion_ci(level, method="wilson")
        assert bounds(rate(k, n, level)) == pytest.approx(tuple(expected), **CLOSE)
        assert rate(k, n, level).estimate == k / n


def test_bounds_of_a_rate_end_at_0_and_1_exactly():
    assert {rate(0, n).low for n in range(1, 200)} == {0.0}
    assert {rate(n, n).high for n in range(1, 200)} == {1.0}


def test_five_of_five_does_not_exclude_a_rate_of_six_tenths():
    assert bounds(rate(5, 5)) == pytest.approx((0.566, 1), abs=5e-4)


@pytest.mark.parametrize("k", [-1, 11])
def test_an_impossible_number_of_successes_is_refused(k):
    with pytest.raises(ValueError, match="of 10 trials"):
        rate(k, 10)


@pytest.mark.parametrize("level", [0.0, 1.0, 95])
def test_an_impossible_level_is_refused(level):
    with pytest.raises(ValueError, match="level"):
        rate(5, 10, level)
    with pytest.raises(ValueError, match="level"):
        median(range(10), level)


# Medians


@pytest.mark.parametrize("level", LEVELS[1:])
def test_a_median_has_the_bounds_of_scipy(level):
    from scipy.stats import quantile_test

    rng = np.random.default_rng(0)
    for n in range(1, 61):
        values = rng.standard_t(3, n)
        expected = quantile_test(values, p=0.5).confidence_interval(level)
        found = median(values.tolist(), level)
        assert [math.nan if bound is None else bound for bound in bounds(found)] == pytest.approx(
            list(expected), nan_ok=True, **CLOSE
        )
        assert found.estimate == pytest.approx(np.median(values), **CLOSE)


@pytest.mark.parametrize("n", [6, 7, 10, 30, 101])
def test_the_bounds_of_a_median_contain_it_as_often_as_they_say_and_no_narrower_ones_do(n):
    def contains(rank: int) -> float:
        """From rank to n + 1 - rank of n values above the median: the bounds contain it (a plain sum)."""
        return sum(math.comb(n, above) for above in range(rank, n - rank + 1)) / 2**n

    rank = order_statistic(n)
    assert contains(rank) >= 0.95 > contains(rank + 1)


def test_a_median_of_fewer_than_six_values_has_no_bounds():
    assert median([1, 2, 3, 4, 5]) == Interval(3, None, None, 5)
    assert median([1, 2, 3, 4, 5, 6]) == Interval(3.5, 1, 6, 6)
    assert bounds(median([1, 2, 3, 4, 5], 0.9)) == (1, 5)


def test_a_diverged_run_is_a_value_like_others():
    assert median([1, 2, 3, 4, INF, INF]) == Interval(3.5, 1, INF, 6)
    assert median([1, INF, INF]).estimate == INF
    assert median([3, INF]).estimate == INF
    assert median([-INF, INF]).estimate is None


def test_a_median_of_huge_values_does_not_overflow():
    assert median([1.7e308, 1.7e308 * (1 - 1e-16), 1.6e308, 1.75e308]).estimate == pytest.approx(1.7e308)


def test_nan_has_no_median():
    with pytest.raises(ValueError, match="NaN"):
        median([1.0, math.nan])


def test_without_data_there_is_no_estimate():
    nothing = Interval(None, None, None, 0)
    assert rate(0, 0) == nothing
    assert median([]) == nothing
    assert rate_difference(0, 0, 0, 0) == nothing
    assert paired_rate_difference(0, 0, 0, 0) == nothing
    assert rate_difference(3, 4, 0, 0) == Interval(None, None, None, 4)


@pytest.mark.parametrize("n", [1, 2, 9, 40])
def test_tosses_of_a_coin_are_those_of_scipy(n):
    from scipy.stats import binom

    assert [at_most(k, n) for k in range(n + 1)] == pytest.approx(binom.cdf(range(n + 1), n, 0.5), rel=1e-12)
    assert at_most(n, n) == 1.0


# Differences of rates

# Newcombe 1998 (Statistics in Medicine 17:873), table II, method 10
PUBLISHED = [
    ((56, 70, 48, 80), (0.0524, 0.3339)),
    ((9, 10, 3, 10), (0.1705, 0.8090)),
    ((6, 7, 2, 7), (0.0582, 0.8062)),
    ((5, 56, 0, 29), (-0.0381, 0.1926)),
    ((0, 10, 0, 20), (-0.1611, 0.2775)),
    ((0, 10, 0, 10), (-0.2775, 0.2775)),
    ((10, 10, 0, 20), (0.6791, 1.0)),
    ((10, 10, 0, 10), (0.6075, 1.0)),
]


@pytest.mark.parametrize(("counts", "expected"), PUBLISHED)
def test_a_difference_of_independent_rates_is_the_published_one(counts, expected):
    assert bounds(rate_difference(*counts)) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize("level", LEVELS)
def test_a_difference_of_independent_rates_has_the_bounds_of_statsmodels(level):
    from statsmodels.stats.proportion import confint_proportions_2indep

    for k1, n1, k2, n2 in [(3, 10, 7, 10), (1, 30, 29, 30), (50, 60, 10, 35), (5, 9, 5, 9)]:
        expected = confint_proportions_2indep(k1, n1, k2, n2, method="newcomb", alpha=1 - level)
        assert bounds(rate_difference(k1, n1, k2, n2, level)) == pytest.approx(expected, **CLOSE)


def test_a_difference_of_paired_rates_is_the_published_one():
    """Airway hyper-responsiveness of 21 children (Fagerland et al. 2014, Statistics in Medicine 33:2850)."""
    found = paired_rate_difference(1, 1, 7, 12)
    assert (found.estimate, *bounds(found)) == pytest.approx((-0.286, -0.507, -0.026), abs=5e-4)


def as_written(e: int, f: int, g: int, h: int, z: float) -> tuple[float, float]:
    """Newcombe 1998 (17:2635), method 10, in the paper's letters."""
    n = e + f + g + h
    theta = (f - g) / n

    def wilson(k: int) -> list[float]:
        return sorted(np.roots([n + z * z, -(2 * k + z * z), k * k / n]).real)

    (l2, u2), (l3, u3) = wilson(e + f), wilson(e + g)
    dl2, du2, dl3, du3 = (e + f) / n - l2, u2 - (e + f) / n, (e + g) / n - l3, u3 - (e + g) / n
    product = (e + f) * (g + h) * (e + g) * (f + h)
    numerator = e * h - f * g
    if numerator > n / 2:
        numerator -= n / 2
    elif numerator >= 0:
        numerator = 0
    phi = numerator / math.sqrt(product) if product else 0
    low = theta - math.sqrt(dl2**2 - 2 * phi * dl2 * du3 + du3**2)
    return low, theta + math.sqrt(du2**2 - 2 * phi * du2 * dl3 + dl3**2)


@given(st.tuples(*[st.integers(0, 40)] * 4).filter(any))
def test_a_difference_of_paired_rates_is_the_paper_s_formula(counts):
    expected = as_written(*counts, z=1.9599639845400545)
    assert bounds(paired_rate_difference(*counts)) == pytest.approx(
        (max(expected[0], -1), min(expected[1], 1)),
        rel=0,
        abs=1e-7,  # np.roots of a double root
    )


@given(st.tuples(*[st.integers(0, 40)] * 4).filter(any))
def test_a_difference_of_paired_rates_turns_its_sign_with_the_arms(counts):
    both, first, second, neither = counts
    one, other = paired_rate_difference(*counts), paired_rate_difference(both, second, first, neither)
    assert (-other.estimate, -other.high, -other.low) == pytest.approx((one.estimate, *bounds(one)), **CLOSE)


def test_pairs_that_agree_give_a_narrower_interval_than_independent_runs():
    paired, independent = paired_rate_difference(12, 4, 0, 4), rate_difference(16, 20, 12, 20)
    assert paired.estimate == independent.estimate
    assert paired.low > independent.low
    assert paired.high < independent.high


def test_a_negative_count_of_pairs_is_refused():
    with pytest.raises(ValueError, match="negative"):
        paired_rate_difference(3, -1, 4, 4)
