"""What is overlaid: which curves, under which names, averaged how."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqablate.compare.curves import geometric_mean, overlay
from seqablate.signals.views import VIEWS

LAG, _, PROFILE, LAYERS = VIEWS


def test_several_runs_show_their_last_lag_curve_under_what_differs(make_run):
    runs = [make_run("a", factor=0.5), make_run("b", factor=0.9, model={"name": "rnn", "hidden_size": 8})]
    drawn = overlay(runs, LAG)
    assert [curve.label for curve in drawn.curves] == ["lstm (h)", "rnn (h)"]
    for curve, factor in zip(drawn.curves, (0.5, 0.9), strict=True):
        np.testing.assert_allclose(curve.y, factor ** np.arange(6.0))
    assert "mean over seeds" not in drawn.title


def test_seeds_tell_runs_apart_when_nothing_else_does(make_run):
    drawn = overlay([make_run("a", seed=0), make_run("b", seed=7)], PROFILE)
    assert [curve.label for curve in drawn.curves] == ["seed=0 (h)", "seed=7 (h)"]


def test_many_runs_are_averaged_over_seeds_and_the_title_says_so(make_run):
    runs = [make_run(f"a{s}", seed=s, factor=f) for s, f in enumerate((0.2, 0.8, 0.4, 0.4, 0.4))]
    runs += [make_run(f"b{s}", seed=s, factor=0.9, clip={"name": "norm", "max_norm": 1.0}) for s in range(5)]
    drawn = overlay(runs, LAG)
    assert [curve.label for curve in drawn.curves] == ["none (h)", "norm (h)"]
    np.testing.assert_allclose(drawn.curves[0].y, (0.16 * 0.4**3) ** (np.arange(6.0) / 5))
    np.testing.assert_allclose(drawn.curves[1].y, 0.9 ** np.arange(6.0))
    assert "geometric mean over seeds" in drawn.title


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
    assert [curve.label for curve in alone.curves] == ["s = h layer 0", "s = c layer 0", "s = c layer 1"]


def test_a_few_runs_of_one_config_and_seed_stay_apart_by_name(make_run):
    drawn = overlay([make_run("first"), make_run("second")], LAG)
    assert [curve.label for curve in drawn.curves] == ["first (h)", "second (h)"]


def test_no_curves_no_picture(make_run):
    assert overlay([make_run("a", rows=[])], LAG) is None


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(st.floats(1e-30, 1e6) | st.just(0.0) | st.just(np.nan), min_size=1, max_size=7), min_size=1))
def test_the_geometric_mean_is_that_of_a_plain_loop(curves):
    expected = []
    for k in range(max(map(len, curves))):
        logs = [float(np.log(c[k])) for c in curves if k < len(c) and c[k] > 0]
        expected.append(np.exp(sum(logs) / len(logs)) if logs else np.nan)
    np.testing.assert_allclose(geometric_mean([np.array(c) for c in curves]), expected, rtol=1e-9)


def test_a_diverged_run_is_shown_by_the_last_curve_that_is_known(make_run, signal):
    rows = [signal(np.geomspace(1, 0.1, 4), step=10), signal(np.full(4, np.nan), step=20)]
    (curve,) = overlay([make_run("run", rows=rows)], LAG).curves
    np.testing.assert_allclose(curve.y, np.geomspace(1, 0.1, 4))


def test_an_encoder_stands_for_its_run_and_its_decoder_does_not(make_run, signal):
    rows = [signal(np.full(3, 5.0)) | {"module": "decoder"}, signal(np.full(3, 7.0)) | {"module": "encoder"}]
    both = [make_run(name, rows=rows) for name in ("a", "b")]
    assert [curve.y[0] for curve in overlay(both, LAG).curves] == pytest.approx([7.0, 7.0])
