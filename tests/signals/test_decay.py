from __future__ import annotations

import math

import numpy as np
import pytest

from seqablate.signals import fit_decay


@pytest.mark.parametrize("factor", [0.5, 0.93, 1.0, 1.2])
def test_an_exponential_is_found_exactly(factor):
    fit = fit_decay(3.0 * factor ** np.arange(60.0))
    assert fit.factor == pytest.approx(factor, rel=1e-9)
    assert fit.error < 1e-9
    assert fit.half_life == (pytest.approx(math.log(0.5) / math.log(factor)) if factor < 1 else math.inf)


def test_lag_zero_underflow_and_unknown_lags_are_left_out():
    curve = 2 * 0.1 ** np.arange(60.0)
    curve[0] = 1e9  # the readout's gradient, not time's
    curve[5] = np.nan
    fit = fit_decay(curve)
    assert fit.factor == pytest.approx(0.1)
    assert fit.lags == 60 - 1 - 1 - 23  # lag 0, the unknown one, and lags 37..59, which are below 1e-36


def test_the_error_tells_an_exponential_from_a_plateau():
    plateau = np.concatenate([np.geomspace(1, 1e-6, 20), np.full(40, 1e-6)])
    assert fit_decay(plateau).error > 0.3


def test_the_fit_equals_scipy_linear_regression():
    from scipy.stats import linregress

    curve = np.exp(-0.1 * np.arange(50) + 0.3 * np.random.default_rng(0).standard_normal(50))
    reference = linregress(np.arange(1, 50), np.log10(curve[1:]))
    assert fit_decay(curve).factor == pytest.approx(10**reference.slope, rel=1e-9)


def test_too_few_lags_give_no_fit():
    assert fit_decay(np.array([1.0, 0.5, 0.25])) is None
    assert fit_decay(np.full(50, np.nan)) is None
