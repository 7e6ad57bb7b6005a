"""The fit of a lag curve: its line against closed forms, its verdict against a careful reader's."""

from __future__ import annotations

import json
import math
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seqablate.signals import FLOORS, fit_decay
from seqablate.signals.fit import Fit
from seqablate.signals.words import decay_words, half_life, rate_cell
from seqablate.text import rate, ratio

NAN, INF = math.nan, math.inf
K = np.arange(60.0)
PLACE = {"part": "rnn", "quantity": "lag", "state": "h", "layer": 0, "direction": "forward"}

# Of a trained LSTM, ten timesteps long.
LSTM_H = [0.13613, 0.09075, 0.05345, 0.04058, 0.06736, 0.03871, 0.04128, 0.06493, 0.03677, 0.03780]


def noise(deviation: float, seed: int, lags: int = 60) -> np.ndarray:
    """A flat curve times log-normal noise."""
    return np.exp(deviation * np.random.default_rng(seed).standard_normal(lags))


def words(curve, floor: float = FLOORS["float32"], **place) -> str:
    fit = fit_decay(np.array(curve, dtype=float), floor)
    assert fit is not None
    return decay_words(Fit(**PLACE | place, **vars(fit)))


@pytest.mark.parametrize("factor", [0.5, 0.93, 1.2])
def test_an_exponential_is_found_exactly(factor):
    fit = fit_decay(3.0 * factor ** np.arange(60.0))
    assert fit.factor == pytest.approx(factor, rel=1e-9)
    assert fit.error < 1e-9
    assert fit.exponential
    assert fit.half_life == (pytest.approx(math.log(0.5) / math.log(factor)) if factor < 1 else None)


def test_the_line_leaves_out_the_first_lag_and_what_is_unknown_or_below_the_floor():
    curve = 2 * 0.1 ** np.arange(60.0)
    curve[0] = 1e3  # the readout's gradient, not time's
    curve[5] = NAN
    fit = fit_decay(curve)
    assert fit.factor == pytest.approx(0.1)
    assert fit.lags == 60 - 1 - 1 - 25  # lag 0, the unknown one, and lags 35..59, which are below 1e-34
    assert (fit.at, fit.missing) == (35, 1)


def test_the_fit_equals_scipy_linear_regression():
    from scipy.stats import linregress

    curve = np.exp(-0.1 * np.arange(50) + 0.3 * np.random.default_rng(0).standard_normal(50))
    reference = linregress(np.arange(1, 50), np.log10(curve[1:]))
    assert fit_decay(curve).factor == pytest.approx(10**reference.slope, rel=1e-9)


@pytest.mark.parametrize("curve", [[], [1.0], [1.0, 0.5], [NAN, NAN, 1.0, 0.5]])
def test_of_fewer_than_three_lags_there_is_nothing_to_say(curve):
    assert fit_decay(np.array(curve)) is None


def test_a_curve_that_begins_late_is_measured_from_where_it_begins():
    """An encoder's stands behind its decoder's lags."""
    late = fit_decay(np.array([NAN, NAN, 1.0, 0.5, 0.25, 0.125]))
    early = fit_decay(np.array([1.0, 0.5, 0.25, 0.125]))
    assert (late.reach, late.ratio, late.lags) == (early.reach, early.ratio, early.lags) == (3, 0.125, 3)
    assert late.factor == pytest.approx(0.5)
    assert "0.12x from lag 2 to lag 5" in words([NAN, NAN, 1.0, 0.5, 0.25, 0.125])


@pytest.mark.parametrize(
    ("curve", "lag"),
    [
        (0.5 ** np.arange(20.0), 7),  # 0.5^6 = 0.0156, 0.5^7 = 0.0078
        (0.5 ** np.arange(7.0), None),
        ([1, 0.001, 0.5, 0.01, 0.0], 3),  # what comes back has not been lost
        ([np.nan, np.nan, 4.0, 0.5, 0.04, 0.03], 2),  # counted from the first lag that is known
        ([1.0, 0.001, np.nan, np.nan], 1),
        ([1.0, 0.001, np.inf], None),
    ],
)
def test_the_lag_at_which_one_percent_is_left_is_the_last_time_that_the_curve_gets_there(curve, lag):
    fit = fit_decay(np.array(curve))
    assert fit.hundredth == lag


def test_the_floor_is_that_of_the_number_format():
    """0.1 ** 59 is a number in float64, and nothing in float32."""
    curve = 0.1**K
    assert fit_decay(curve).verdict == "vanishes"
    assert fit_decay(curve, FLOORS["float64"]).verdict == "fades"
    assert "float64's range from lag 301 on" in words(0.1 ** np.arange(320.0), FLOORS["float64"])
    assert "overflows float32 at lag 39" in words(10.0 ** np.arange(60.0))
    assert fit_decay(10.0 ** np.arange(60.0), FLOORS["float64"]).verdict == "grows"


# What a careful reader of each curve says: the verdict, and what the sentence has to contain.
SHAPES = {
    "0 behind lag 0": ([1.0] + [0.0] * 99, "vanishes", "stays at its own timestep, as where no later one reads it"),
    "0 behind lag 1": ([1.0, 0.5] + [0.0] * 99, "vanishes", "vanishes: below float32's range from lag 2 on"),
    "0.9 per lag, then 0": ([0.9**k if k <= 5 else 0 for k in range(100)], "vanishes", "from lag 6 on; 0.59x after 5 "),
    "flat, then 0": ([1.0] * 5 + [0.0] * 95, "vanishes", "from lag 5 on; 1x after 4 timesteps (not a clean exp"),
    "through the floor": (0.1 ** np.arange(400.0), "vanishes", "from lag 35 on (0.1x per timestep)"),
    "below 1e-34 at the end": (0.135 ** np.arange(41.0), "vanishes", "from lag 40 on (0.135x per timestep)"),
    "0 at the last lag alone": ([*0.95 ** np.arange(59.0), 0.0], "vanishes", "from lag 59 on; 0.051x after 58 "),
    "three lags, two of them 0": ([1.0, 0.0, 0.0], "vanishes", "from lag 1 on"),
    "0 everywhere": ([0.0] * 10, "vanishes", "below float32's range at every lag"),
    "tiny everywhere": ([1e-35] * 10, "vanishes", "below float32's range at every lag"),
    "dead, alive, dead": ([1, 0.5, 0, 0, 0.2, 0.1, 0, 0], "vanishes", "from lag 6 on; 0.1x after 5 timesteps"),
    "slow over a long reach": (0.9992 ** np.arange(3000), "fades", "0.091x after 2999 timesteps (0.9992x per timestep"),
    "half per lag": (0.5**K, "fades", "fades: 1.7e-18x after 59 timesteps (0.5x per timestep)"),
    "noisy and fading": (0.9**K * noise(0.3, 0), "fades", "halves every 6.77 timesteps"),
    "noisy and slowly fading": (0.99 ** np.arange(100) * noise(0.3, 1, 100), "fades", "0.99x per timestep"),
    "faster and faster": (10 ** (-0.001 * K**2.5), "fades", "1.8e-27x after 59 timesteps (not a clean exponential"),
    "a step": ([1.0] * 30 + [0.01] * 30, "fades", "0.01x after 59 timesteps (not a clean exponential"),
    "a stair": (np.repeat([1, 0.1, 0.01], 20), "fades", "0.01x after 59 timesteps"),
    "a drop, then a plateau": ([0.157, 0.05, 0.015] + [0.01] * 97, "fades", "0.064x after 99 timesteps (not a clean"),
    "up, then down": (10 ** (1.5 * np.sin(np.pi * K / 60)) * 0.9**K, "fades", "a peak of 2.45x at lag 18 (not"),
    "a noisy drop, then a plateau": (LSTM_H, "fades", "0.28x after 9 timesteps (not a clean exponential"),
    "a hole": ([1.0] * 11 + [1e-36] * 19 + [1.0] * 10, "reaches", "with a low of 1e-36x at lag 11"),
    "0 once in a straight line": ([0.9**k * (k != 20) for k in range(40)], "fades", "0x at lag 20 (not a clean exp"),
    "noise with a hole": ([*(10 ** (0.25 * np.sin(K**2))), 0.0, 3.0], "irregular", "is irregular: 3x after 61"),
    "something at the last lag alone": ([0.0] * 9 + [1.0], "irregular", "1x at lag 9, the only one in"),
    "0 once in between": ([1, 0.5, 0, 0.2, 0.1, 0.05, 0.04], "fades", "after 6 timesteps, with a low of 0x at lag 2"),
    "three lags, fading": ([1.0, 0.5, 0.25], "fades", "fades: 0.25x after 2 timesteps"),
    "NaN in between": ([1, 0.5, NAN, 0.125, 0.0625, 0.03], "fades", "not a number (NaN) at 1 lag in between"),
    "0 before the first": ([0, 0, 1, 0.5, 0.25, 0.125], "fades", "0.12x from lag 2 to lag 5"),
    "a copy task's": ([1, *[0.3] * 20, 6.0, *[0.02] * 10], "fades", "after 31 timesteps, with a peak of 6x at lag 21"),
    "nearly constant": (0.999 ** np.arange(100), "reaches", "reaches all the way back: 0.91x after 99 timesteps"),
    "more than half left": (0.99**K, "reaches", "reaches all the way back: 0.55x after 59 timesteps"),
    "a U": (10 ** (-3 * np.sin(np.pi * K / 59)), "reaches", "1x after 59 timesteps, with a low of 0.001x at lag 29"),
    "a hill": (10 ** (2 * np.sin(np.pi * K / 59)), "reaches", "with a peak of 100x at lag 29"),
    "a spike": ([1.0] * 30 + [100.0] + [1.0] * 29, "reaches", "with a peak of 100x at lag 30"),
    "three lags, level": ([1.0, 0.9, 0.8], "reaches", "0.8x after 2 timesteps"),
    "a sawtooth that ends high": ([1, 0.1] * 30 + [1], "reaches", "with a low of 0.1x at lag 1"),
    "a sawtooth that ends low": ([1, 0.1] * 30, "irregular", "is irregular: 0.1x after 59 timesteps (see the curve)"),
    "a spike at the last lag": ([*0.5 ** np.arange(59.0), 5.0], "irregular", "5x after 59 timesteps, with a low"),
    "a drop at the last lag": ([1.0] * 59 + [0.01], "irregular", "0.01x after 59 timesteps (see the curve)"),
    "noise of two decades": (noise(2.3, 3), "irregular", "0.028x after 59 timesteps, between 1.4e-5x and"),
    "constant": (np.ones(60), "flat", "is flat within noise: 1x after 59 timesteps"),
    "noise of 10 %": (noise(0.1, 5, 30), "flat", "is flat within noise: 1.06x after 29 timesteps"),
    "noise of 20 %, long": (noise(0.2, 0, 3000), "flat", "is flat within noise: 0.86x after 2999 timesteps"),
    "growing": (1.2**K, "grows", "4.7e4x after 59 timesteps (1.2x per timestep, doubles every 3.8 timesteps)"),
    "growing slowly": (1.0005 ** np.arange(3000), "grows", "4.48x after 2999 timesteps (1.0005x per timestep"),
    "overflow": ([10.0 ** (8 * k) if k < 5 else INF for k in range(50)], "explodes", "at lag 5; 1e32x after 4 "),
    "overflow and back": ([1, 2, INF, 2, 1, 1], "explodes", "overflows float32 at lag 2; 2x after 1 timestep"),
    "overflow, then NaN": ([1, 1e10, INF, NAN, NAN], "explodes", "overflows float32 at lag 2"),
    "inf everywhere": ([INF] * 5, "explodes", "overflows float32 at lag 0"),
    "NaN at the end": ([1, 0.5, 0.25, 0.125, NAN, NAN], "unknown", "is unknown from lag 4 on: not a number (NaN)"),
    "NaN from lag 2 on": ([1, 0.9, NAN, NAN], "unknown", "before that 0.9x after 1 timestep"),
    "NaN everywhere": ([NAN] * 50, "unknown", "not a number (NaN) at every lag"),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_the_verdict_and_the_sentence_are_a_careful_readers(shape):
    curve, verdict, phrase = SHAPES[shape]
    assert fit_decay(np.array(curve, dtype=float)).verdict == verdict
    sentence = words(curve)
    assert phrase in sentence
    assert sentence.startswith("gradient at h ")


def test_noise_on_a_flat_curve_is_flat_whatever_the_seed():
    """1 of 100 may be taken for something else, but hardly ever for a trend."""
    verdicts = [fit_decay(noise(0.1, seed, 30)).verdict for seed in range(200)]
    assert verdicts.count("flat") >= 195
    assert not {"fades", "grows", "irregular"} & set(verdicts)


MAGNITUDES = st.one_of(
    st.floats(-45, 45).map(lambda decades: 10.0**decades), st.sampled_from([0.0, INF, NAN, 1.0]), st.floats(0.9, 1.1)
)
WALKS = st.lists(st.floats(-1, 1), min_size=3, max_size=60).map(lambda steps: 10 ** np.cumsum(steps))


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.lists(MAGNITUDES, max_size=40), WALKS), st.sampled_from(sorted(FLOORS.values())))
@example([1.0, 1e-35, 0.0], FLOORS["float32"])  # behind lag 0 nothing is left, which has words of its own
def test_the_sentence_and_the_end_never_contradict_each_other(curve, floor):
    curve = np.array(curve, dtype=float)
    fit = fit_decay(curve, floor)
    if fit is None:
        assert len(curve) < 3 or np.isnan(curve[:-2]).all()
        return
    assert json.loads(json.dumps(asdict(fit), allow_nan=False)) == asdict(fit)
    sentence = words(curve, floor)
    known = curve[~np.isnan(curve)]
    verdict = fit.verdict
    assert ("vanishes" in sentence or "stays at its own timestep" in sentence) == (verdict == "vanishes")
    if verdict == "vanishes":
        assert known[-1] < floor
        assert (curve[fit.at :][~np.isnan(curve[fit.at :])] < floor).all()
    elif verdict == "explodes":
        assert curve[fit.at] > 3e38
    elif verdict == "unknown":
        assert np.isnan(curve[fit.at :]).all()
    else:
        assert fit.ratio == pytest.approx(curve[-1] / curve[fit.start])
        assert fit.start + fit.reach == len(curve) - 1
        assert f" {ratio(fit.ratio)} " in sentence
    assert verdict != "fades" or fit.ratio < 0.5
    assert verdict != "grows" or fit.ratio > 2
    assert verdict != "reaches" or 0.499 < fit.ratio < 2.001
    if "halves" in sentence:
        assert fit.factor < 1
        assert verdict in ("fades", "vanishes")
    if "doubles" in sentence:
        assert fit.factor > 1
        assert verdict == "grows"
    if verdict in ("fades", "grows") and "per timestep" in sentence:
        assert fit.factor**fit.reach == pytest.approx(fit.ratio, rel=2.3)  # within the jump that is allowed


def test_the_place_is_named_where_there_is_more_than_one():
    curve = 0.5**K
    assert words(curve).startswith("gradient at h fades")
    assert words(curve, layer=1, direction="reverse").startswith("gradient at h (layer 1, reverse) fades")
    assert words(curve, part="encoder", state="c").startswith("gradient at c (encoder) fades")
    assert "9 layers (0.5x per layer)" in words(0.5 ** np.arange(10.0), quantity="depth_lag")
    assert "from path length 35 on" in words(0.1**K, quantity="path_lag")
    assert "all the way down" in words(np.array([1, 0.9, 0.8, 0.7]), quantity="depth_lag")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0901, "0.09x"), (0, "0x"), (1.2849, "1.28x"), (1, "1x"), (12.3, "12x"), (123.4, "123x"), (0.00123, "0.0012x"),
     (3.3e-36, "3.3e-36x"), (1e32, "1e32x"), (4700, "4.7e3x")],
)  # fmt: skip
def test_a_ratio_is_written_one_way(value, text):
    assert ratio(value) == text


@pytest.mark.parametrize(
    ("factor", "text"), [(0.5, "0.5x"), (0.135, "0.135x"), (0.9992, "0.9992x"), (1, "1x"), (1.2, "1.2x"), (1e8, "1e8x")]
)
def test_a_rate_shows_how_far_it_is_from_1(factor, text):
    assert rate(factor) == text


@pytest.mark.parametrize("verdict", sorted({verdict for _, verdict, _ in SHAPES.values()}))
@pytest.mark.parametrize("value", [0.0, -1.0, NAN, INF, 1e300])
def test_a_fit_from_a_strangers_record_is_written_without_an_error(verdict, value):
    """Its types are right; its numbers may be anything."""
    values = vars(fit_decay(0.5**K)) | {"verdict": verdict, "at": None, "missing": 1}
    values |= dict.fromkeys(("ratio", "factor", "half_life", "low", "high", "floor"), value)
    fit = Fit(**PLACE, **values)
    assert decay_words(fit).startswith("gradient at h")
    assert rate_cell(fit)
    assert half_life(fit)
