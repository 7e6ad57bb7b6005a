"""What is overlaid: which curves, under which names, averaged how."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqablate.comparison.curves import overlay
from seqablate.comparison.pool import pool, rows_of
from seqablate.diagnostics.lag import LAG
from seqablate.diagnostics.profile import PROFILE


def test_several_runs_show_their_last_lag_curve_under_what_differs(make_run):
    runs = [make_run("a", factor=0.5), make_run("b", factor=0.9, model={"name": "rnn", "hidden_size": 8})]
    drawn = overlay(runs, LAG)
    assert [curve.label for curve in drawn.curves] == ["lstm (h)", "rnn (h)"]
    for curve, factor in zip(drawn.curves, (0.5, 0.9), strict=True):
        np.testing.assert_allclose(curve.y, factor ** np.arange(6.0))
    assert drawn.title == "Gradient of the last loss step with respect to h(t−k), after 100 steps"
    assert [curve.look for curve in drawn.curves] == [(0,), (1,)]


def test_seeds_tell_runs_apart_when_nothing_else_does(make_run):
    drawn = overlay([make_run("a", seed=0), make_run("b", seed=7)], PROFILE)
    assert [curve.label for curve in drawn.curves] == ["seed=0 (h)", "seed=7 (h)"]


def test_many_runs_are_pooled_by_the_median_over_seeds_and_the_legend_says_so(make_run):
    runs = [make_run(f"a{s}", seed=s, factor=f) for s, f in enumerate((0.2, 0.8, 0.4, 0.5, 0.3))]
    runs += [make_run(f"b{s}", seed=s, factor=0.9, clip={"name": "norm", "max_norm": 1.0}) for s in range(5)]
    drawn = overlay(runs, LAG)
    seeds = "median over 5 seeds (0 vanished, 0 diverged)"
    assert [curve.label for curve in drawn.curves] == [f"clip=none (h), {seeds}", f"clip=norm (h), {seeds}"]
    np.testing.assert_allclose(drawn.curves[0].y, 0.4 ** np.arange(6.0))
    np.testing.assert_allclose(drawn.curves[1].y, 0.9 ** np.arange(6.0))


def test_seeds_that_vanish_pull_the_median_down_and_are_counted(make_run, signal):
    dead, alive = [1.0, 1e-3, 0, 0, 0, 0], [1.0, 0.9, 0.8, 0.7, 0.6, 0.5]
    runs = [make_run(f"dead-{s}", seed=s, rows=[signal(dead)]) for s in range(7)]
    runs += [make_run(f"alive-{s}", seed=s, rows=[signal(alive)]) for s in range(7, 10)]
    (curve,) = overlay(runs, LAG).curves
    assert curve.label == "lstm (h), median over 10 seeds (7 vanished, 0 diverged)"
    assert curve.y.tolist() == dead


def test_seeds_that_diverged_are_counted_and_have_no_curve_of_the_end(make_run, signal):
    bad = {"status": "diverged", "step": 51, "measured_step": 20}
    runs = [make_run(f"good-{s}", seed=s, factor=0.5) for s in range(8)]
    runs += [make_run(f"bad-{s}", seed=s, rows=[signal(np.full(6, 7.0), step=20)], info=bad) for s in range(8, 10)]
    (curve,) = overlay(runs, LAG).curves
    assert curve.label == "lstm (h), median over 8 seeds (0 vanished, 2 diverged)"
    np.testing.assert_allclose(curve.y, 0.5 ** np.arange(6.0))


def test_arms_that_differ_in_a_key_of_one_variant_only_are_never_averaged_together(make_run):
    arms = [{"name": "none"}, {"name": "norm", "max_norm": 1.0}, {"name": "norm", "max_norm": 0.1}]
    runs = [
        make_run(f"{i}-{s}", seed=s, factor=0.3 * (i + 1), clip=arm) for i, arm in enumerate(arms) for s in range(3)
    ]
    drawn = overlay(runs, LAG)
    assert [curve.y[1] for curve in drawn.curves] == pytest.approx([0.3, 0.6, 0.9])


def test_a_run_is_shown_by_its_first_layers_cell_state_where_it_has_one(make_run, signal):
    curve = np.geomspace(1, 1e-3, 6)
    rows = [signal(curve), signal(9 * curve, state="c"), signal(curve, state="c", layer=1)]
    lstm, gru = make_run("lstm", rows=rows), make_run("gru", model={"name": "gru"}, factor=0.3)
    drawn = overlay([lstm, gru], LAG)
    assert [curve.label for curve in drawn.curves] == ["lstm (c)", "gru (h)"]
    np.testing.assert_allclose(drawn.curves[0].y, 9 * curve)
    alone = overlay([lstm], LAG)
    assert [curve.label for curve in alone.curves] == ["h layer 0", "c layer 0", "c layer 1"]


def test_a_few_runs_of_one_config_and_seed_stay_apart_by_name(make_run):
    drawn = overlay([make_run("first"), make_run("second")], LAG)
    assert [curve.label for curve in drawn.curves] == ["first (h)", "second (h)"]


def test_no_curves_no_picture(make_run):
    assert overlay([make_run("a", rows=[])], LAG) is None


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(st.floats(0, 1e6) | st.just(np.inf) | st.just(np.nan), min_size=1, max_size=7), min_size=1))
def test_the_median_is_that_of_the_standard_library_with_nan_as_an_overflow(curves):
    expected, counts = [], []
    for k in range(max(map(len, curves))):
        column = [np.inf if np.isnan(c[k]) else c[k] for c in curves if k < len(c)]
        low, high = statistics.median_low(column), statistics.median_high(column)
        expected.append(low if low == high else (low + high) / 2)
        counts.append(len(column))
    pooled = pool(rows_of([np.array(c) for c in curves]))
    np.testing.assert_allclose(pooled.median_K, expected, rtol=1e-9)
    assert pooled.n_K.tolist() == counts


def test_curves_that_fall_have_a_median_that_falls():
    curves = [np.array([1, 1e-3, 0, 0.0])] * 9 + [np.array([1, 0.9, 0.8, 0.7])]
    assert pool(rows_of(curves)).median_K.tolist() == [1, 1e-3, 0, 0]


def test_a_diverged_run_is_shown_by_the_last_curve_that_is_known_and_says_of_when_it_is(make_run, signal):
    rows = [signal(np.geomspace(1, 0.1, 4), step=10), signal(np.full(4, np.nan), step=20)]
    bad = make_run("bad", rows=rows, info={"status": "diverged", "step": 21})
    alone = overlay([bad], LAG)
    np.testing.assert_allclose(alone.curves[0].y, np.geomspace(1, 0.1, 4))
    assert alone.title.splitlines() == [
        "bad (diverged at step 20)",
        "Gradient of the last loss step with respect to h(t−k), after 10 steps",
    ]
    beside = overlay([bad, make_run("good", model={"name": "gru"})], LAG)
    assert [curve.label for curve in beside.curves] == [
        "lstm (h), diverged at step 20, after 10 steps",
        "gru (h), after 100 steps",
    ]
    assert overlay([bad], LAG, [10]).title.startswith("bad\n")


START, END = "at initialisation", "after 100 steps"


@pytest.mark.parametrize(("when", "step", "words"), [(0, 0, START), (99, 0, START), (100, 100, END), (5000, 100, END)])
def test_the_curves_of_any_step_can_be_shown(make_run, when, step, words):
    drawn = overlay([make_run("run")], LAG, [when])
    np.testing.assert_allclose(drawn.curves[0].y, (2 if step == 0 else 1) * 0.5 ** np.arange(6.0))
    assert drawn.title.endswith(words)


def test_the_initial_curve_is_dashed_beside_the_last_one(make_run):
    drawn = overlay([make_run("a"), make_run("b", model={"name": "rnn"})], LAG, [0, None])
    assert drawn.title.endswith("at initialisation (dashed) and after 100 steps")
    assert {curve.label: curve.look for curve in drawn.curves} == {
        "lstm (h), after 100 steps": (0, 0),
        "lstm (h), at initialisation": (0, 1),
        "rnn (h), after 100 steps": (1, 0),
        "rnn (h), at initialisation": (1, 1),
    }


def test_what_was_not_measured_is_left_out_and_a_nan_that_was_is_not(make_run, signal):
    nan = float("nan")
    (lag,) = overlay([make_run("lag", rows=[signal([nan, nan, 1.0, 0.5, nan])])], LAG).curves
    assert lag.x.tolist() == [2, 3, 4]
    np.testing.assert_array_equal(lag.y, [1.0, 0.5, nan])
    rows = [signal([nan, 0.5, 1.0, nan, nan], quantity="total")]
    (profile,) = overlay([make_run("profile", rows=rows)], PROFILE).curves
    assert profile.x.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(profile.y, [nan, 0.5, 1.0])


def test_a_run_without_the_curve_is_named(make_run):
    drawn = overlay([make_run("a"), make_run("b", rows=[])], LAG)
    assert drawn.notes == ["b: no such curve"]


def test_float64_has_no_floor(make_run):
    assert overlay([make_run("a")], LAG).scale.floor == 1e-34
    assert overlay([make_run("b", info={"dtype": "float64"})], LAG).scale.floor is None


def test_an_encoder_stands_for_its_run_and_its_decoder_does_not(make_run, signal):
    rows = [signal(np.full(3, 5.0)) | {"part": "decoder"}, signal(np.full(3, 7.0)) | {"part": "encoder"}]
    both = [make_run(name, rows=rows) for name in ("a", "b")]
    assert [curve.y[0] for curve in overlay(both, LAG).curves] == pytest.approx([7.0, 7.0])
