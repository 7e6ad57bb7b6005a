"""Times to solve against scipy, statsmodels and published tables."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqablate.statistics.censored import median_time, survival
from seqablate.statistics.interval import Interval, median

INF = math.inf
RUNS = st.lists(st.tuples(st.integers(0, 12).map(float), st.booleans()), min_size=1, max_size=40)


def columns(runs: list[tuple[float, bool]]) -> tuple[list[float], list[bool]]:
    return [time for time, _ in runs], [did for _, did in runs]


def test_the_curve_is_that_of_kaplan_and_meier_s_own_example():
    """Kaplan & Meier 1958, section 2: deaths at 0.8, 3.1, 5.4 and 9.2, losses at 1.0, 2.7, 7.0 and 12.1 months."""
    times = [0.8, 3.1, 5.4, 9.2, 1.0, 2.7, 7.0, 12.1]
    curve = survival(times, [True] * 4 + [False] * 4)
    assert curve.times == [0, 0.8, 1.0, 2.7, 3.1, 5.4, 7.0, 9.2, 12.1]
    assert curve.shares == pytest.approx([1, 0.875, 0.875, 0.875, 0.7, 0.525, 0.525, 0.2625, 0.2625], abs=1e-12)


def test_the_median_is_that_of_a_published_trial():
    """Weeks of remission under 6-mercaptopurine (Freireich et al. 1963), tabled by Kalbfleisch & Prentice."""
    solved = [6, 6, 6, 7, 10, 13, 16, 22, 23]
    ended = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
    times, happened = solved + ended, [True] * len(solved) + [False] * len(ended)
    curve = survival(times, happened)
    shares = dict(zip(curve.times, curve.shares, strict=True))
    assert [shares[time] for time in (6, 7, 10, 13, 16, 22, 23)] == pytest.approx(
        [0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448], abs=5e-4
    )
    assert median_time(times, happened).estimate == 23


@settings(deadline=None)  # the first one imports the reference
@given(RUNS)
def test_curve_and_median_are_those_of_scipy(runs):
    from scipy.stats import CensoredData, ecdf

    times, happened = columns(runs)
    solved, ended = ([time for time, did in runs if did is whether] for whether in (True, False))
    curve = survival(times, happened)
    expected = ecdf(CensoredData(uncensored=solved, right=ended)).sf.evaluate(curve.times)
    assert curve.times == sorted({0.0, *times})
    assert curve.shares == pytest.approx(expected.tolist(), rel=0, abs=1e-12)
    reached = [time for time, share in zip(curve.times, expected, strict=True) if share <= 0.5 + 1e-12]
    assert median_time(times, happened).estimate == min(reached, default=INF)


@settings(deadline=None)  # the first one imports the reference
@given(RUNS.filter(lambda runs: any(did for _, did in runs)))
def test_the_curve_is_that_of_statsmodels(runs):
    from statsmodels.duration.survfunc import SurvfuncRight

    times, happened = columns(runs)
    curve = survival(times, happened)
    shares = dict(zip(curve.times, curve.shares, strict=True))
    expected = SurvfuncRight(times, happened)
    assert [shares[time] for time in expected.surv_times] == pytest.approx(
        expected.surv_prob.tolist(), rel=0, abs=1e-12
    )


@pytest.mark.parametrize("n", [2, 4, 10, 30, 100, 1000])
def test_exactly_one_half_unsolved_is_the_median_at_any_number_of_runs(n):
    """A product of shares in floats is slightly more than one half for some of them."""
    assert median_time([float(time + 1) for time in range(n)], [True] * n).estimate == n / 2


def test_without_censoring_the_bounds_are_those_of_a_median():
    times = [float(time) for time in range(1, 31)]
    found, plain = median_time(times, [True] * 30), median(times)
    assert (found.low, found.high) == (plain.low, plain.high)


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=6, max_size=25))
def test_censoring_never_narrows_the_bounds_whatever_ends_a_run(runs):
    """So they contain the true median at least as often as with every time known, which is exact."""
    known = median([float(true) for true, _ in runs])
    seen = median_time([float(min(run)) for run in runs], [true <= end for true, end in runs])
    assert seen.low <= known.low
    assert seen.high >= known.high


def test_a_median_that_was_not_reached_is_infinite():
    assert median_time([5, 100, 100, 100, 100, 100], [True] + [False] * 5) == Interval(INF, 5, INF, 6)


def test_a_diverged_run_never_solves():
    times, happened = [3.0, 4.0, 5.0, INF, INF, INF, INF], [True] * 3 + [False] * 4
    assert survival(times, happened).shares == pytest.approx([1, 6 / 7, 5 / 7, 4 / 7])
    assert median_time(times, happened) == Interval(INF, 3.0, INF, 7)


def test_without_runs_there_is_no_estimate():
    assert median_time([], []) == Interval(None, None, None, 0)


@pytest.mark.parametrize(
    ("times", "happened", "message"),
    [
        ([1.0, 2.0], [True], "2 times and 1 outcomes"),
        ([-1.0], [True], "negative"),
        ([math.nan], [False], "NaN"),
        ([INF], [True], "inf"),
    ],
)
def test_impossible_times_are_refused(times, happened, message):
    with pytest.raises(ValueError, match=message):
        survival(times, happened)
