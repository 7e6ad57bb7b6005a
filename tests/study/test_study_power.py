"""How likely a study is to support its claim, against enumerations and simulations that are written here."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from scipy.stats import wilcoxon

from seqablate.study.criterion import Criterion
from seqablate.study.power import power_of


def test_the_power_of_two_rates_is_that_of_an_enumeration_of_what_differs():
    """Rates 0.9 and 0.2, 10 pairs: supported with p <= 0.05 and a difference of 0.5 or more."""
    first, second = 0.9 * 0.8, 0.1 * 0.2
    power = 0.0
    for a in range(11):
        for b in range(11 - a):
            p = min(1.0, 2 * sum(comb(a + b, k) for k in range(min(a, b) + 1)) / 2 ** (a + b))
            if p <= 0.05 and a - b >= 5:
                count = comb(10, a) * comb(10 - a, b)
                power += count * first**a * second**b * (1 - first - second) ** (10 - a - b)
    found = power_of(Criterion("solved", "a - b", at_least=0.5, expect=[0.9, 0.2]), 10, 0.05)
    assert found.power == pytest.approx(power, abs=1e-6)
    assert 0.5 < power < 0.99


def test_the_power_of_differences_is_that_of_simulated_studies_to_a_hundredth():
    """A mean of 1 with a deviation of 1, 12 pairs, at least 0.8: scipy's signed ranks and numpy's median."""
    rng = np.random.default_rng(1)
    drawn = rng.normal(1, 1, (4000, 12))
    supported = [np.median(d) >= 0.8 and wilcoxon(d, method="exact").pvalue <= 0.05 for d in drawn]
    found = power_of(Criterion("value", "a - b", at_least=0.8, expect=[1, 1]), 12, 0.05)
    assert found.power == pytest.approx(np.mean(supported), abs=0.03)


def test_a_ratio_expects_logarithms():
    same = power_of(Criterion("value", "a - b", at_least=0.5, expect=[1, 0.5]), 10, 0.05)
    ratio = power_of(Criterion("value", "a / b", at_least=float(np.exp(0.5)), expect=[1, 0.5]), 10, 0.05)
    assert ratio.power == pytest.approx(same.power, abs=1e-9)


def test_where_nothing_is_expected_the_smallest_difference_of_rates_that_is_found_is_stated():
    found = power_of(Criterion("solved", "a - b", at_least=0.3), 20, 0.05)
    assert not found.stated
    assert found.power >= 0.8
    first, second = found.expect
    easier = Criterion("solved", "a - b", at_least=0.3, expect=[first - 0.025, second + 0.025])
    assert power_of(easier, 20, 0.05).power < 0.8


def test_of_other_measures_nothing_is_assumed():
    found = power_of(Criterion("value", "a - b", at_least=1), 20, 0.05)
    assert found.power is None
    assert "expect:" in found.line()


def test_an_equality_that_few_seeds_cannot_show_has_no_power():
    """Ten of ten against ten of ten: the 90 % interval reaches 0.21."""
    assert power_of(Criterion("solved", "a - b", within=0.2, expect=[1, 1]), 10, 0.05).power == 0
    assert power_of(Criterion("solved", "a - b", within=0.22, expect=[1, 1]), 10, 0.05).power == pytest.approx(1)
