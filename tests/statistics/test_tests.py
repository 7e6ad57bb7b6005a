"""Tests of no difference against scipy, statsmodels, and every assignment of signs tried in a loop."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqablate.statistics.tests import fisher, holm, lean, mcnemar, sign_flip

INF = math.inf


def every_assignment(differences: list[float]) -> float:
    from scipy.stats import rankdata

    ranks = rankdata(np.abs(differences))
    seen = abs(sum(rank * np.sign(d) for rank, d in zip(ranks, differences, strict=True)))
    sums = [
        abs(sum(rank * sign * (d != 0) for rank, sign, d in zip(ranks, signs, differences, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(differences))
    ]
    return sum(total >= seen - 1e-9 for total in sums) / len(sums)


@settings(deadline=None)  # the first one imports the reference
@given(st.lists(st.sampled_from([-INF, -3.0, -1.0, 0.0, 1.0, 2.0, 3.0, INF]), min_size=1, max_size=8))
def test_sign_flip_counts_every_assignment_of_signs_with_ties_zeros_and_diverged_runs(differences):
    assert sign_flip(differences) == pytest.approx(every_assignment(differences), rel=0, abs=1e-12)


@settings(deadline=None)
@given(st.lists(st.sampled_from([-INF, -3.0, -1.0, 0.0, 1.0, 2.0, INF]), min_size=1, max_size=9))
def test_the_lean_of_differences_is_the_sign_of_the_sum_of_their_signed_ranks(differences):
    from scipy.stats import rankdata

    assert lean(differences) == np.sign(np.sum(rankdata(np.abs(differences)) * np.sign(differences)))


@pytest.mark.parametrize("n", [1, 5, 6, 10, 30, 50])
def test_sign_flip_is_scipy_s_signed_rank_test_where_no_differences_are_equal(n):
    from scipy.stats import wilcoxon

    rng = np.random.default_rng(n)
    for shift in (0.0, 0.3, 1.0):
        differences = rng.normal(shift, 1, n)
        expected = wilcoxon(differences, method="exact").pvalue
        assert sign_flip(differences.tolist()) == pytest.approx(expected, rel=0, abs=1e-12)


def test_sign_flip_is_scipy_s_permutation_test_of_pratt_s_ranks():
    from scipy.stats import PermutationMethod, wilcoxon

    differences = [0, 0, 1, 1, -1, 2, 3, 3, -4, 5]
    expected = wilcoxon(differences, zero_method="pratt", method=PermutationMethod(n_resamples=INF)).pvalue
    assert sign_flip(differences) == pytest.approx(expected, rel=0, abs=1e-12)


def test_five_pairs_decide_nothing_and_six_can():
    assert sign_flip([1, 2, 3, 4, 5]) == 2 / 2**5
    assert sign_flip([1, 2, 3, 4, 5, 6]) == 2 / 2**6


def test_sign_flip_does_not_overflow_with_many_pairs():
    assert sign_flip([1.0] * 1100) == pytest.approx(0, abs=1e-300)
    assert sign_flip([1.0, -1.0] * 550) == pytest.approx(1)


def test_sign_flip_of_nothing_but_zeros_is_1():
    assert sign_flip([]) == 1
    assert sign_flip([0.0, 0.0, 0.0]) == 1


def test_sign_flip_refuses_nan():
    with pytest.raises(ValueError, match="NaN"):
        sign_flip([1.0, math.nan])


def test_mcnemar_is_that_of_statsmodels():
    from statsmodels.stats.contingency_tables import mcnemar as reference

    for first, second in itertools.product(range(9), repeat=2):
        expected = reference([[3, first], [second, 4]], exact=True).pvalue
        assert mcnemar(first, second) == pytest.approx(expected, rel=0, abs=1e-12)


def test_mcnemar_refuses_negative_counts():
    with pytest.raises(ValueError, match="negative"):
        mcnemar(-1, 3)


def test_fisher_s_tea_tasting_lady_has_the_published_p():
    """Fisher 1935, The design of experiments: 3 of 4 cups of each kind named; 17/70 one-sided, both tails 34/70."""
    assert fisher(3, 4, 1, 4) == pytest.approx(34 / 70, rel=0, abs=1e-12)


def test_fisher_adds_the_tables_that_are_no_more_likely_than_the_one_seen():
    n1, n2 = 7, 9
    for k1, k2 in itertools.product(range(n1 + 1), range(n2 + 1)):
        ways = [
            math.comb(n1, k) * math.comb(n2, k1 + k2 - k) for k in range(max(0, k1 + k2 - n2), min(n1, k1 + k2) + 1)
        ]
        seen = math.comb(n1, k1) * math.comb(n2, k2)
        expected = sum(way for way in ways if way <= seen) / sum(ways)
        assert fisher(k1, n1, k2, n2) == pytest.approx(expected, rel=0, abs=1e-12)


def test_fisher_refuses_more_successes_than_trials():
    with pytest.raises(ValueError, match="5 successes of 4 trials"):
        fisher(5, 4, 1, 4)


@settings(deadline=None, max_examples=8)  # each call of the reference collects garbage, which takes 0.2 s
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_that_of_statsmodels(ps):
    from statsmodels.stats.multitest import multipletests

    assert holm(ps) == pytest.approx(multipletests(ps, method="holm")[1].tolist(), rel=0, abs=1e-12)


def test_holm_multiplies_the_smallest_p_most_and_keeps_the_order():
    """Three tests at 0.01, 0.03 and 0.04: the second is multiplied by 2, and the third is no smaller than it."""
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([]) == []


def test_holm_refuses_what_is_no_p():
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([0.5, math.nan])
