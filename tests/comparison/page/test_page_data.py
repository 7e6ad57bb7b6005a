"""The data of the page: what is pooled, thinned and counted."""

from __future__ import annotations

import json

import numpy as np
import pytest
import recorded

from seqablate.comparison.arms.compare import compare_runs
from seqablate.comparison.learning import MOST_POINTS, thinned
from seqablate.comparison.page.data import document
from seqablate.comparison.page.frames import MOST_NUMBERS, moments, signal_charts
from seqablate.comparison.page.learning import learning_charts
from seqablate.comparison.page.reading import Piece, Story, read_story
from seqablate.comparison.pool import pool, rows_of
from seqablate.diagnostics.lag import LAG
from seqablate.diagnostics.profile import PROFILE
from seqablate.record.run import Run
from seqablate.statistics.interval import median


def evals(values: dict[int, float]) -> list[dict]:
    return [recorded.eval_row(step, mse=value) for step, value in values.items()]


@pytest.fixture
def charts_of(make_run):
    """Learning charts of one arm from (evaluations, run.json) of each run."""

    def charts(*runs):
        made = [
            make_run(f"r{seed}", seed=seed, rows=evals(values), info=info) for seed, (values, info) in enumerate(runs)
        ]
        stories = [read_story(run, [0]) for run in made]
        return learning_charts([stories], 0.95, each_seed=True)

    return charts


def test_a_band_is_the_median_and_its_interval_at_every_point():
    values_RK = np.random.default_rng(0).normal(size=(11, 7))
    found = pool(values_RK)
    for k, column in enumerate(values_RK.T):
        expected = median(column.tolist())
        assert (found.median_K[k], found.low_K[k], found.high_K[k]) == (expected.estimate, expected.low, expected.high)
    assert found.n_K.tolist() == [11] * 7


def test_a_band_of_fewer_than_six_runs_reaches_from_the_lowest_to_the_highest():
    found = pool(np.array([[3.0], [1.0], [4.0], [1.5], [9.0]]))
    assert (found.median_K.tolist(), found.low_K.tolist(), found.high_K.tolist()) == ([3.0], [1.0], [9.0])


def test_runs_without_a_value_are_not_counted_and_infinite_ones_are():
    found = pool(np.array([[np.nan, np.nan], [1.0, np.nan], [np.inf, np.nan]]))
    assert found.n_K.tolist() == [2, 0]
    assert found.median_K[0] == np.inf
    assert np.isnan(found.median_K[1])


def test_curves_of_unequal_lengths_are_padded_and_an_overflow_is_larger_than_any_number():
    np.testing.assert_array_equal(rows_of([np.array([1.0]), np.array([2.0, np.nan])]), [[1.0, np.nan], [2.0, np.inf]])


@pytest.mark.parametrize(("last", "most"), [(0, 40), (1, 40), (3, 40), (100, 40), (100_000, 40), (7, 8)])
def test_moments_rise_from_the_first_step_to_the_last_and_are_not_too_many(last, most):
    found = moments(last, most)
    assert found == sorted(set(found))
    assert (found[0], found[-1]) == (0, last)
    assert len(found) <= most


def test_thinning_keeps_the_first_and_the_last_step():
    found = thinned(range(0, 10_000, 10), 200)
    assert (found[0], found[-1], len(found)) == (0, 9990, 200)
    assert thinned([3, 5], 200).tolist() == [3, 5]


def test_a_run_that_is_done_keeps_its_last_value_in_the_median(charts_of):
    """It stopped since its task was solved; the median of those that go on alone would be too bad."""
    chart, _ = charts_of(
        ({0: 0.9, 10: 0.1}, {"step": 10}), ({0: 0.8, 10: 0.7, 20: 0.6}, {}), ({0: 0.7, 10: 0.2}, {"step": 10})
    )
    (arm,) = chart["arms"]
    assert (arm["x"], arm["median"], arm["n"]) == ([0, 10, 20], [0.8, 0.2, 0.2], [3, 3, 3])
    assert arm["seeds"][0] == [0.9, 0.1, None]  # its own curve ends where it ended


def test_a_diverged_run_counts_as_the_worst_number_from_then_on(charts_of):
    chart, _ = charts_of(
        ({0: 0.9, 10: 0.5}, {"status": "diverged", "step": 16}),
        ({0: 0.8, 10: 0.4, 20: 0.3}, {}),
        ({0: 0.7, 10: 0.3, 20: 0.2}, {}),
    )
    (arm,) = chart["arms"]
    assert (arm["x"], arm["median"]) == ([0, 10, 15, 20], [0.8, 0.4, 0.4, 0.3])
    assert arm["high"] == [0.9, 0.5, "inf", "inf"]
    assert arm["diverged"] == [(10, 0.5)]


def test_a_run_that_was_interrupted_counts_until_its_last_evaluation(charts_of):
    chart, _ = charts_of(({0: 0.9, 10: 0.5}, {"status": "interrupted", "step": 12}), ({0: 0.7, 10: 0.3, 20: 0.1}, {}))
    (arm,) = chart["arms"]
    assert (arm["n"], arm["median"]) == ([2, 2, 1], [0.8, 0.4, 0.1])


def test_a_chart_says_where_goal_and_chance_are(charts_of):
    mse, loss = charts_of(({0: 0.9}, {}))
    assert (mse["name"], mse["goal"], mse["chance"]) == ("mse", 0.01, 1 / 6)
    assert (loss["name"], loss["goal"], loss["chance"]) == ("loss", None, None)


def test_each_moment_shows_what_was_measured_last_before_it(make_run, signal):
    rows = [signal([float(step)], step=step) for step in (0, 10, 20, 30)]
    story = read_story(make_run("a", rows=rows), [0, 5, 25, 30])
    assert [(piece.step, piece.values_K.tolist()) for piece in story.pieces[LAG]] == [
        (0, [0.0]),
        (20, [20.0]),
        (30, [30.0]),
    ]
    charts = signal_charts([[story]], [0, 5, 25, 30], None, 0.95)
    assert charts["steps"] == [0, 20, 30]
    (arm,) = charts["charts"][0]["arms"]
    assert [frame["y"] for frame in arm["frames"]] == [[0], [20], [30]]


def test_the_state_that_stands_for_the_run_is_its_first_layers_memory(make_run, signal):
    rows = [signal([1.0], state="h"), signal([2.0], state="c"), signal([3.0], state="c", layer=1)]
    (piece,) = read_story(make_run("a", rows=rows), [100]).pieces[LAG]
    assert (piece.owner, piece.values_K.tolist()) == ("c", [2.0])


def test_curves_are_pooled_over_the_seeds_that_have_not_diverged(make_run, signal):
    ends = [(1.0, {}), (2.0, {}), (9.0, {"status": "diverged", "step": 40})]
    runs = [
        make_run(f"r{seed}", seed=seed, rows=[signal([value], step=0), signal([value], step=50)], info=info)
        for seed, (value, info) in enumerate(ends)
    ]
    stories = [read_story(run, [0, 50]) for run in runs]
    chart = signal_charts([stories], [0, 50], None, 0.95)["charts"][0]
    first, second = chart["arms"][0]["frames"]
    assert first == {"n": 3, "diverged": 0, "y": [2], "low": [1], "high": [9]}
    assert second == {"n": 2, "diverged": 1, "y": [1.5], "low": [1], "high": [2]}


def test_a_run_that_was_killed_shows_nothing_after_its_end(make_run, signal):
    story = read_story(make_run("a", rows=[signal([1.0], step=0)], info={"status": "interrupted", "step": 5}), [0, 50])
    assert story.piece_at(LAG, 5).step == 0
    assert story.piece_at(LAG, 6) is None


def test_what_was_never_measured_is_cut_off_and_a_long_curve_is_thinned(make_run, signal):
    rows = [signal([np.nan, 1.0, 0.5]), signal([*np.arange(1.0, 900.0), np.nan], quantity="total")]
    for row in rows:
        row["values"] = ["nan" if np.isnan(value) else value for value in row["values"]]
    pieces = read_story(make_run("a", rows=rows), [100]).pieces
    assert (pieces[LAG][0].start, pieces[LAG][0].values_K.tolist()) == (1, [1.0, 0.5])
    (profile,) = pieces[PROFILE]
    assert len(profile.values_K) <= MOST_POINTS
    assert profile.values_K.tolist() == list(np.arange(1.0, 900.0)[:: profile.stride])


def test_many_long_curves_fit_on_the_page(make_run):
    """Sixty arms of a thousand timesteps."""
    run = make_run("a")
    curve = 1 / 3 ** np.arange(float(MOST_POINTS))
    when = moments(10_000)
    pieces = [Piece(step, "h", 0, 8, curve) for step in when]
    arms = [[Story(run, pieces={LAG: pieces, PROFILE: pieces}) for _ in range(2)] for _ in range(60)]
    charts = signal_charts(arms, when, None, 0.95)
    numbers = sum(
        len(frame[name]) for chart in charts["charts"] for arm in chart["arms"] for frame in arm["frames"]
        for name in ("y", "low", "high")
    )  # fmt: skip
    assert MOST_NUMBERS / 4 < numbers <= MOST_NUMBERS
    assert len(json.dumps(charts)) < 8e6


def test_settings_that_all_runs_share_are_said_once(make_run):
    runs = [make_run("a", seed=1), make_run("b", seed=2, model={"name": "rnn", "hidden_size": 8})]
    found = document(compare_runs(runs), runs)
    assert found["facts"]["model.hidden_size"] == "8"
    assert [run["own"]["seed"] for run in found["runs"]] == ["1", "2"]
    assert [run["own"]["model"] for run in found["runs"]] == ["lstm", "rnn"]
    assert all("model.hidden_size" not in run["own"] for run in found["runs"])


def test_a_record_that_cannot_be_read_is_said_and_the_others_are_drawn(make_run):
    runs = [make_run("a", rows=evals({0: 0.9})), make_run("b", seed=1, rows=[recorded.eval_row(0) | {"loss": "low"}])]
    found = document(compare_runs(runs), runs)
    assert found["learning"][0]["arms"][0]["median"] == [0.9]
    assert any("no curves of b" in line and "line 2" in line for line in found["said"])


def test_the_path_of_a_run_is_shown_without_control_characters(make_run):
    folder = make_run("a").path.parent
    runs = [Run(folder.rename(folder.with_name("r\u202e")) / "a")]
    assert document(compare_runs(runs), runs)["runs"][0]["path"].endswith("r\\u202e/a")
