"""Two one-sided tests, against statsmodels' of paired means."""

from __future__ import annotations

import numpy as np
import pytest

from seqablate.statistics.equivalence import within
from seqablate.statistics.interval import Interval


def at(low: float | None, high: float | None) -> Interval:
    return Interval(0.0, low, high, 10, 0.9)


@pytest.mark.parametrize(
    ("low", "high", "where"),
    [
        (-0.9, 0.9, "within"),
        (0.5, 0.6, "within"),
        (-1.0, 0.5, "undecided"),
        (-0.5, 1.0, "undecided"),
        (-2.0, 2.0, "undecided"),
        (1.0, 3.0, "outside"),
        (-3.0, -1.0, "outside"),
        (0.5, np.inf, "undecided"),
        (None, None, "undecided"),
    ],
)
def test_a_difference_is_small_only_if_its_whole_interval_is(low, high, where):
    assert within(at(low, high), 1.0) == where


def test_a_90_percent_interval_within_the_margin_is_two_one_sided_tests_at_5_percent():
    from scipy.stats import t
    from statsmodels.stats.weightstats import DescrStatsW

    rng, seen = np.random.default_rng(0), set()
    for _ in range(60):
        data = rng.normal(0.2, 1, 12)
        half = t.ppf(0.95, 11) * data.std(ddof=1) / np.sqrt(12)
        small = within(at(data.mean() - half, data.mean() + half), 0.6) == "within"
        assert small == (DescrStatsW(data).ttost_mean(-0.6, 0.6)[0] < 0.05)
        seen.add(small)
    assert seen == {True, False}


@pytest.mark.parametrize("margin", [0, -1.0, np.nan])
def test_a_margin_is_a_positive_number(margin):
    with pytest.raises(ValueError, match="positive"):
        within(at(-1, 1), margin)
