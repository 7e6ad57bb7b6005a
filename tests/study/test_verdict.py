"""Measures in, verdict out: every case computed by hand."""

from __future__ import annotations

import math

import pytest

from seqablate.study.criterion import Criterion
from seqablate.study.verdict import decide, judge, together

INF = math.inf


def of(first, second, measure="value", compare="a - b", **effect):
    """The finding on one criterion."""
    return judge(Criterion(measure, compare, **effect), {measure: {"a": first, "b": second}})


@pytest.mark.parametrize(
    ("first", "second", "at_least", "word"),
    [
        ([1] * 10, [0] * 10, 0.5, "SUPPORTED"),
        ([1] * 6 + [0] * 4, [0] * 10, 0.5, "SUPPORTED"),  # p = 2 / 2**6, difference 0.6
        ([1] * 6 + [0] * 4, [0] * 10, 0.7, "INCONCLUSIVE"),  # an effect, but perhaps too small a one
        ([1] * 5 + [0] * 5, [0] * 10, 0.5, "INCONCLUSIVE"),  # p = 2 / 2**5
        ([1] * 10, [1] * 10, 0.5, "CONTRADICTED"),  # at most 0.28
        ([1] * 10, [1] * 10, 0.2, "INCONCLUSIVE"),
        ([0] * 10, [1] * 10, 0.5, "CONTRADICTED"),
    ],
)
def test_success_rates_of_pairs_give_the_word_that_the_counts_give_by_hand(first, second, at_least, word):
    assert of(first, second, "solved", at_least=at_least).word == word


def test_a_finding_of_rates_states_the_difference_its_interval_and_the_exact_p():
    found = of([1] * 10, [0] * 10, "solved", at_least=0.5)
    # Wilson's interval of 10 of 10 begins at 1 / (1 + z * z / 10)
    distance = 1 - 1 / (1 + 1.959963984540054**2 / 10)
    assert (found.estimate, found.high, found.pairs) == (1, 1, 10)
    assert found.low == pytest.approx(1 - math.sqrt(2) * distance, abs=1e-12)
    assert found.p == 2 / 2**10


@pytest.mark.parametrize(
    ("at_least", "word"), [(5, "SUPPORTED"), (6, "INCONCLUSIVE"), (9, "INCONCLUSIVE"), (9.5, "CONTRADICTED")]
)
def test_numbers_are_judged_by_the_median_of_their_differences_and_its_exact_interval(at_least, word):
    """Differences 1 to 10: median 5.5; the 2nd smallest and largest enclose it with 1 - 22 / 1024."""
    found = of([float(n) for n in range(1, 11)], [0.0] * 10, at_least=at_least)
    assert (found.estimate, found.low, found.high, found.p) == (5.5, 2, 9, 2 / 2**10)
    assert found.word == word


def test_a_ratio_is_judged_on_its_logarithm_and_shown_as_a_ratio():
    found = of([2.0, 2, 4, 4, 8, 8], [1.0] * 6, compare="a / b", at_least=1.5)
    assert found.word == "SUPPORTED"
    assert found.estimate == pytest.approx(4)
    assert (found.low, found.high) == (pytest.approx(2), pytest.approx(8))


def test_a_side_may_be_a_number():
    found = judge(Criterion("reach", "1 - b", at_least=0.2), {"reach": {"b": [0.5, 0.6, 0.7, 0.5, 0.6, 0.7]}})
    assert found.word == "SUPPORTED"
    assert found.estimate == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("differences", "within", "word"),
    [
        ([0.0, 0.01, -0.01, 0.02, -0.02, 0.03, -0.03, 0.0], 0.05, "SUPPORTED"),
        ([0.0, 0.01, -0.01, 0.02, -0.02, 0.03, -0.03, 0.0], 0.01, "INCONCLUSIVE"),
        ([1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7], 0.5, "CONTRADICTED"),
        ([-1.0, -1.1, -1.2, -1.3, -1.4, -1.5, -1.6, -1.7], 0.5, "CONTRADICTED"),
        ([0.4, 0.6] * 4, 0.5, "INCONCLUSIVE"),
    ],
)
def test_equality_needs_an_interval_inside_the_margin_and_states_no_p(differences, within, word):
    found = of(differences, [0.0] * len(differences), within=within)
    assert found.word == word
    assert found.p is None


def test_a_large_p_is_no_equality():
    assert of([1.0, -1.0] * 5, [0.0] * 10, within=0.5).word == "INCONCLUSIVE"


def test_a_diverged_run_counts_as_the_worst_value_and_two_of_them_do_not_differ():
    found = of([INF, 3, 4, 5, 6, 7, 8], [INF, 0, 0, 0, 0, 0, -INF], at_least=1)
    assert found.pairs == 7
    assert (found.estimate, found.low, found.high) == (5, 0, INF)


def test_arms_that_all_diverged_are_contradicted_as_different_and_state_no_infinite_nonsense():
    found = of([INF] * 8, [INF] * 8, at_least=1)
    assert (found.word, found.estimate, found.low, found.high) == ("CONTRADICTED", 0, 0, 0)


def test_where_half_are_infinitely_better_and_half_infinitely_worse_nothing_is_decided():
    found = of([INF, -INF] * 5, [0.0] * 10, at_least=1)
    assert (found.word, found.estimate) == ("INCONCLUSIVE", None)


def test_five_pairs_decide_nothing_and_say_so():
    found = of([1.0] * 5, [0.0] * 5, at_least=0.5)
    assert found.word == "INCONCLUSIVE"
    assert found.note == "5 pairs are too few for an interval"
    assert found.holds


def test_a_run_without_the_measure_decides_nothing_and_is_counted():
    found = of([1.0] * 9 + [None], [0.0] * 10, at_least=0.5)
    assert found.word == "INCONCLUSIVE"
    assert found.note == "1 of 10 pairs have no value"


def two(first, second, third, **options):
    criteria = [Criterion("value", "a - c", at_least=5), Criterion("value", "b - c", at_least=5)]
    return decide(criteria, {"value": {"a": first, "b": second, "c": third}}, **options)


def test_all_criteria_must_hold():
    ones, tens = [1.0 + n / 100 for n in range(10)], [10.0 + n / 100 for n in range(10)]
    assert two(tens, tens, [0.0] * 10).word == "SUPPORTED"
    assert two(tens, ones, [0.0] * 10).word == "CONTRADICTED"
    assert two(tens, ones, [0.0] * 10).leans == "CONTRADICTED"


def test_each_of_two_criteria_contradicts_at_half_the_level():
    """Of 9 differences the 2nd largest bounds the median at 95 %, the largest at 97.5 %."""
    one = [*range(8), 7.5]
    alone = decide([Criterion("value", "a - c", at_least=7.2)], {"value": {"a": one, "c": [0.0] * 9}})
    assert alone.findings[0].high == 7
    assert alone.word == "CONTRADICTED"
    criteria = [Criterion("value", "a - c", at_least=7.2), Criterion("value", "b - c", at_least=7.2)]
    both = decide(criteria, {"value": {"a": one, "b": [8.0] * 9, "c": [0.0] * 9}})
    assert both.findings[0].high == 7.5
    assert both.word == "INCONCLUSIVE"


def test_a_smaller_share_of_errors_needs_more_evidence():
    """Six of six is p = 0.031: enough at 5 %, not at the third of it that one of three looks has."""
    criteria, measured = [Criterion("solved", "a - b", at_least=0.5)], {"solved": {"a": [1] * 6, "b": [0] * 6}}
    assert decide(criteria, measured).word == "SUPPORTED"
    assert decide(criteria, measured, alpha=0.05 / 3).word == "INCONCLUSIVE"


def test_a_quick_study_is_never_more_than_inconclusive_and_says_where_it_leans_to():
    tens = [10.0 + n / 100 for n in range(10)]
    assert two(tens, tens, [0.0] * 10, quick=True).word == "INCONCLUSIVE"
    assert two(tens, tens, [0.0] * 10, quick=True).leans == "SUPPORTED"
    assert two([0.0] * 10, tens, [0.0] * 10, quick=True).word == "INCONCLUSIVE"


@pytest.mark.parametrize(
    ("words", "word"),
    [
        (["SUPPORTED"], "SUPPORTED"),
        (["SUPPORTED", "SUPPORTED"], "SUPPORTED"),
        (["SUPPORTED", "INCONCLUSIVE"], "INCONCLUSIVE"),
        (["INCONCLUSIVE", "INCONCLUSIVE", "SUPPORTED"], "INCONCLUSIVE"),
        (["SUPPORTED", "CONTRADICTED"], "INCONCLUSIVE"),
        ([], "NOT RUN"),
    ],
)
def test_repetitions_say_together_what_all_of_them_say(words, word):
    assert together(words) == word


def test_equality_is_two_one_sided_tests_so_the_interval_of_90_percent_decides():
    """Ten of ten twice: the 90 % interval ends at z * z / (10 + z * z) = 0.213, the one of 95 % at 0.278."""
    found = of([1] * 10, [1] * 10, "solved", within=0.25)
    assert (found.word, found.level) == ("SUPPORTED", 0.9)
    assert found.high == pytest.approx(1.6448536269514722**2 / (10 + 1.6448536269514722**2))
    assert of([1] * 10, [1] * 10, "solved", within=0.21).word == "INCONCLUSIVE"
