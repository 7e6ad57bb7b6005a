from __future__ import annotations

import math

import numpy as np
import pytest

from seqablate.signals import fit_decay
from seqablate.signals.decay import is_exponential
from seqablate.signals.words import decay_words


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


def judged(curve) -> bool:
    fit = fit_decay(np.array(curve))
    return is_exponential(fit.factor, fit.error, fit.reach, fit.ratio)


def test_the_measured_ratio_is_that_of_the_last_known_lag_to_the_first():
    fit = fit_decay(np.array([8.0, 4.0, 2.0, 1.0, np.nan]))
    assert (fit.reach, fit.ratio) == (3, 0.125)


def test_a_drop_at_the_beginning_followed_by_a_plateau_is_not_called_exponential():
    assert judged(0.9 ** np.arange(100.0))
    drop = np.concatenate([[0.157, 0.05, 0.015], np.full(97, 0.01)])  # the h of a trained LSTM
    assert fit_decay(drop).error < 0.3
    assert not judged(drop)


def test_the_sentence_says_what_the_curve_does():
    def words(curve, **place) -> str:
        fit = fit_decay(np.array(curve))
        values = {name: getattr(fit, name) for name in ("factor", "half_life", "error", "lags", "reach", "ratio")}
        return decay_words(
            {"module": "rnn", "axis": "lag", "state": "h", "layer": 0, "direction": "forward"} | values | place
        )

    lags = np.arange(60.0)
    assert words(0.5**lags) == (
        "d loss / d h fades: x 0.500 for every step back in time, half is left after 1 steps; 59 steps back: x 1.7e-18"
    )
    assert "neither fades nor grows: x 1.0000 a step; 59 steps back: x 1" in words(np.ones(60))
    assert "grows: x 1.200" in words(1.2**lags)
    assert "not an exponential" in words(np.concatenate([[1.0], np.full(59, 0.01)]))
    assert words(0.5**lags, layer=1, direction="reverse").startswith("d loss / d h (layer 1, reverse) fades")


def test_a_curve_that_begins_late_is_measured_from_where_it_begins():
    """An encoder's stands behind its decoder's lags."""
    late = fit_decay(np.array([np.nan, np.nan, 1.0, 0.5, 0.25, 0.125]))
    early = fit_decay(np.array([1.0, 0.5, 0.25, 0.125]))
    assert (late.reach, late.ratio, late.lags) == (early.reach, early.ratio, early.lags) == (3, 0.125, 3)
    assert late.factor == pytest.approx(0.5)
