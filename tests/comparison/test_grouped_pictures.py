"""Pictures of arms: what is drawn equals what plain loops make of the runs, and no seed is dropped."""

from __future__ import annotations

import math
import statistics
import sys

import numpy as np
import pytest
import recorded

from seqablate.api import compare
from seqablate.cli.compare import main
from seqablate.comparison import group, grouped
from seqablate.comparison.arms.compare import compare_runs
from seqablate.comparison.grouped import grouped_pictures, save_grouped
from seqablate.figures import files

RNN, LSTM = {"name": "rnn", "hidden_size": 8}, {"name": "lstm", "hidden_size": 8}
WILSON_8_OF_10 = (0.4901625, 0.9433178)  # Newcombe 1998 has such intervals; here by the formula with z = 1.959964


def evals(values: dict[int, float]) -> list[dict]:
    return [recorded.eval_row(step, mse=value) for step, value in values.items()]


def result(status="done", step=100, solved_at=None, **more) -> dict:
    return {"status": status, "step": step, "solved_at": solved_at, "measured_step": step, **more}


@pytest.fixture
def make_arm(make_run):
    """make_arm("a", [(rows, info), ...], model=RNN): one run a seed."""

    def make(name: str, runs, **config):
        return [
            make_run(f"{name}{seed}", seed=seed, rows=rows, info=info, **config)
            for seed, (rows, info) in enumerate(runs)
        ]

    return make


def drawn(runs, **options):
    """stem -> figure, and all notes."""
    pictures = list(grouped_pictures(compare_runs(runs, **options), runs))
    return (
        {picture.stem: picture.draw() for picture in pictures if picture.draw},
        [note for picture in pictures for note in picture.notes],
    )


def line(figure, marker):
    """The points of the only line of a group with this mark."""
    (found,) = [one for one in figure.axes[0].get_lines() if one.get_marker() == marker and one.get_linewidth() > 0.7]
    return found.get_xydata()


def crosses(figure):
    axes = figure.axes[0]
    return [tuple(at) for one in axes.get_lines() if one.get_marker() == "x" for at in one.get_xydata().tolist()]


def corners(figure, number=0):
    paths = figure.axes[0].collections[number].get_paths()
    return {(x, float(f"{y:.6g}")) for path in paths for x, y in path.vertices.tolist()}


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def note(figure):
    return figure.texts[0].get_text().replace("\n", " ")


def test_a_learning_curve_is_the_median_of_the_seeds_and_its_exact_interval(make_arm):
    table = np.random.default_rng(3).uniform(0.05, 0.5, (9, 4))
    runs = make_arm("a", [(evals(dict(zip((0, 30, 60, 100), row, strict=True))), result()) for row in table.tolist()])
    pictures, _ = drawn(runs)
    figure = pictures["learning"]
    columns = [sorted(column) for column in table.T.tolist()]
    # Of 9 values the second smallest and the second largest: P(at most 1 of 9 heads) = 10/512 < 2.5 %.
    assert sum(math.comb(9, heads) for heads in range(2)) / 2**9 < 0.025 < sum(map(math.comb, [9] * 3, range(3))) / 2**9
    expected = [[step, statistics.median(column)] for step, column in zip((0, 30, 60, 100), columns, strict=True)]
    np.testing.assert_allclose(line(figure, "o"), expected)
    edges = [(step, column[i]) for step, column in zip((0, 30, 60, 100), columns, strict=True) for i in (1, -2)]
    at = {(step, float(f"{edge:.6g}")) for step, edge in edges}
    assert corners(figure) == at
    assert legend(figure) == ["all runs"]
    assert note(figure) == "Median and its exact 95 % interval (shaded). 9 seeds in each arm."
    assert {text.get_text(): text.xy[1] for text in figure.axes[0].texts} == {"chance": 1 / 6, "goal": 0.01}


def test_of_fewer_than_six_seeds_the_band_is_the_range_and_it_says_so(make_arm):
    runs = make_arm("a", [(evals({0: 0.3, 100: value}), result()) for value in (0.2, 0.1, 0.25)])
    figure = drawn(runs)[0]["learning"]
    assert corners(figure) == {(0, 0.3), (100, 0.1), (100, 0.25)}
    assert note(figure).startswith("Median and range (shaded): fewer than 6 runs have no exact 95 % interval.")


def test_a_run_that_stopped_early_keeps_its_last_value(make_arm):
    early = (evals({0: 0.3, 50: 0.004}), result(step=50, solved_at=50))
    late = [(evals({0: 0.3, 50: 0.2, 100: value}), result()) for value in (0.2, 0.1)]
    figure = drawn(make_arm("a", [early, *late]))[0]["learning"]
    np.testing.assert_allclose(line(figure, "o"), [[0, 0.3], [50, 0.2], [100, 0.1]])
    assert "A run that stopped early keeps its last value." in note(figure)


def test_a_seed_that_diverged_counts_as_the_worst_and_is_marked_and_counted(make_arm):
    good = [(evals({0: 0.3, 50: 0.2, 100: 0.1}), result()) for _ in range(2)]
    bad = [(evals({0: 0.3, 50: 0.25}), result("diverged", step=71, measured_step=50)) for _ in range(3)]
    figure = drawn(make_arm("a", good + bad))[0]["learning"]
    top = figure.axes[0].get_ylim()[1]
    np.testing.assert_allclose(line(figure, "o"), [[0, 0.3], [50, 0.25], [70, np.nan], [100, np.nan]])
    assert crosses(figure) == [(70, top)] * 3
    assert legend(figure) == ["all runs (3 diverged)", "half of the seeds have diverged", "a seed diverged"]
    assert "From where it diverged, a run counts as the worst." in note(figure)


def test_of_a_metric_that_should_be_large_a_diverged_seed_counts_as_minus_infinity(make_arm):
    metric = {**recorded.METRIC, "name": "accuracy", "lower_is_better": False, "goal": 0.99, "chance": 0.25}
    info = {"metric": metric, "final": {"loss": 1.0, "accuracy": 0.5}}
    rows = [recorded.eval_row(0, accuracy=0.3), recorded.eval_row(100, accuracy=0.5)]
    good = [(rows, result() | info) for _ in range(2)]
    bad = (rows[:1], result("diverged", step=31) | info)
    figure = drawn(make_arm("a", [*good, bad]))[0]["learning"]
    bottom = figure.axes[0].get_ylim()[0]
    assert crosses(figure) == [(30, bottom)]
    np.testing.assert_allclose(line(figure, "o"), [[0, 0.3], [30, 0.3], [100, 0.5]])
    assert figure.axes[0].get_yscale() == "linear"


def test_one_arm_that_explodes_does_not_flatten_the_others(make_arm):
    calm = make_arm("a", [(evals({0: 0.3, 100: 0.02}), result()) for _ in range(2)], model=RNN)
    wild = make_arm("b", [(evals({0: 0.3, 100: 1e30}), result()) for _ in range(2)], model=LSTM)
    figure = drawn(calm + wild)[0]["learning"]
    assert figure.axes[0].get_ylim()[1] < 10
    assert "Values above 3 leave the picture." in note(figure)


def test_runs_that_have_not_ended_are_not_drawn_and_an_arm_of_them_alone_is_named(make_arm):
    ended = [(evals({0: 0.3, 100: 0.1}), result()) for _ in range(2)]
    runs = make_arm("a", [*ended, (evals({0: 0.3, 100: 0.0001}), result("interrupted"))], model=RNN)
    runs += make_arm("b", [(evals({0: 0.3}), result("interrupted"))], model=LSTM)
    pictures, notes = drawn(runs)
    np.testing.assert_allclose(line(pictures["learning"], "o"), [[0, 0.3], [100, 0.1]])
    assert legend(pictures["learning"]) == ["rnn"]
    assert notes == ["lstm: not drawn, for no run of it has ended"]


def test_a_lag_curve_is_the_median_over_the_seeds_that_did_not_diverge_and_the_others_are_marked(make_arm, signal):
    factors = [0.9, 0.5, 0.7, 0.6, 0.8, 0.95, 0.4]
    good = [([signal(factor ** np.arange(5.0))], result()) for factor in factors]
    nothing = signal(np.full(5, np.nan), step=60)
    bad = ([signal(3.0 ** np.arange(5.0), step=20), nothing], result("diverged", step=61, measured_step=20))
    figure = drawn(make_arm("a", [*good, bad]))[0]["lag"]
    ordered = sorted(factors)
    np.testing.assert_allclose(line(figure, "o"), [[k, ordered[3] ** k] for k in range(5)])
    # Of 7 values the smallest and the largest: P(none of 7 heads) = 1/128 < 2.5 % < P(at most 1) = 8/128.
    assert {at for at in corners(figure) if at[0] == 4} == {(4, float(f"{f**4:.6g}")) for f in (0.4, 0.95)}
    ((x, y),) = crosses(figure)
    assert (x, y) == (4, min(81, figure.axes[0].get_ylim()[1]))
    assert legend(figure) == ["all runs (1 diverged)", "the last one of a seed that diverged"]
    assert note(figure) == (
        "Gradient of the last loss step with respect to h(t−k), after 100 steps. "
        "Median and its exact 95 % interval (shaded). "
        "8 seeds in each arm. The median is over the seeds that did not diverge."
    )


def test_the_state_that_is_drawn_is_named_where_arms_differ_in_it(make_arm, signal):
    rnn = make_arm("a", [([signal([1.0, 0.5, 0.1])], result()) for _ in range(2)], model=RNN)
    rows = [signal([1.0, 0.5, 0.1]), signal([1.0, 0.9, 0.8], state="c")]
    lstm = make_arm("b", [(rows, result()) for _ in range(3)], model=LSTM)
    figure = drawn(rnn + lstm)[0]["lag"]
    assert legend(figure) == ["rnn (n = 2, h)", "lstm (n = 3, c)"]
    np.testing.assert_allclose(line(figure, "s")[:, 1], [1.0, 0.9, 0.8])


def lengths(make_arm, solved: dict[tuple[str, int], int], n=10):
    """Runs of two models at some lengths; of each arm so many have solved the task."""
    runs = []
    for (model, length), count in solved.items():
        info = [result(solved_at=40 if seed < count else None, final={"loss": 1.0, "mse": 0.5}) for seed in range(n)]
        task = {"name": "adding", "length": length}
        runs += make_arm(f"{model}{length}-", [([], one) for one in info], model={"name": model}, task=task)
    return runs


def test_success_against_length_has_a_point_for_each_arm_with_wilsons_interval(make_arm):
    runs = lengths(make_arm, {("lstm", 100): 8, ("lstm", 10): 10, ("rnn", 10): 5, ("rnn", 100): 0, ("rnn", 1000): 0})
    figure = drawn(runs)[0]["solved-against-length"]
    lstm, rnn = (line(figure, mark) for mark in "os")
    np.testing.assert_allclose(lstm[:, 1], [1.0, 0.8])
    np.testing.assert_allclose(rnn[:, 1], [0.5, 0, 0])
    np.testing.assert_allclose(rnn[:, 0], [10, 100, 1000], rtol=0.2)
    low, high = figure.axes[0].collections[0].get_segments()[1][:, 1]
    np.testing.assert_allclose((low, high), WILSON_8_OF_10, atol=1e-6)
    assert legend(figure) == ["lstm", "rnn"]
    assert note(figure) == ("Share of seeds that solved the task; bars: 95 % interval (Wilson). 10 seeds in each arm.")


def test_a_setting_that_is_no_number_everywhere_is_named(make_arm):
    runs = make_arm("a", [([], result())] * 2, clip={"name": "none"})
    for norm in (1.0, 0.1):
        runs += make_arm(f"b{norm}", [([], result())] * 2, clip={"name": "norm", "max_norm": norm})
    pictures, notes = drawn(runs)
    assert [tick.get_text() for tick in pictures["solved-against-max_norm"].axes[0].get_xticklabels()] == ["0.1", "1.0"]
    assert notes.count("clip=none: has no number as clip.max_norm") == 2


def test_the_metric_against_a_setting_is_the_median_with_its_interval_or_of_few_seeds_the_range(make_arm):
    values = {8: [0.3, 0.1, 0.2, 0.5, 0.4, 0.6], 16: [0.2, 0.1]}
    runs = []
    for size, found in values.items():
        info = [result(final={"loss": value, "mse": value}) for value in found]
        runs += make_arm(f"s{size}-", [([], one) for one in info], model={"name": "rnn", "hidden_size": size})
    figure = drawn(runs)[0]["mse-against-hidden_size"]
    np.testing.assert_allclose(line(figure, "o")[:, 1], [0.35, 0.15])
    segments = figure.axes[0].collections[0].get_segments()
    np.testing.assert_allclose([one[:, 1] for one in segments], [[0.1, 0.6], [0.1, 0.2]])
    assert legend(figure) == ["n = 2 to 6"]
    assert note(figure) == "Median and its exact 95 % interval (bars; of fewer than 6 runs the range)."


def test_steps_to_solve_are_kaplan_meier_with_ticks_for_the_censored_and_diverged_seeds_never_leave(make_arm):
    ends = [result(solved_at=20, step=20), result(solved_at=40, step=40), result(step=40)]
    ends += [result(solved_at=60, step=60), result("diverged", step=11), result(step=100)]
    figure = drawn(make_arm("a", [([], end) for end in ends]))[0]["steps-to-solve"]
    unsolved, expected = 1.0, [(0, 0.0)]
    times = [20, 40, 40, 60, math.inf, 100]
    happened = [True, True, False, True, False, False]
    for step in (20, 40, 60, 100):
        at_risk = sum(time >= step for time in times)
        unsolved *= 1 - sum(did and time == step for time, did in zip(times, happened, strict=True)) / at_risk
        expected.append((step, 1 - unsolved))
    found = line(figure, "o")
    np.testing.assert_allclose(found[: len(expected)], expected)
    assert found[-1].tolist() == [100, pytest.approx(1 - unsolved)]
    (ticks,) = [one.get_xydata() for one in figure.axes[0].get_lines() if one.get_marker() == "|"]
    np.testing.assert_allclose(ticks, [[40, dict(expected)[40]], [100, dict(expected)[100]]])
    assert crosses(figure) == [(10, 0)]
    assert legend(figure) == ["all runs (3 solved, 1 diverged)", "ended without having solved it", "diverged"]


def test_the_line_of_an_arm_whose_last_run_was_censored_ends_there(make_arm):
    short = make_arm("a", [([], result(step=50)), ([], result(solved_at=20, step=20))], model=RNN)
    long = make_arm("b", [([], result(step=100)), ([], result(solved_at=20, step=20))], model=LSTM)
    figure = drawn(short + long)[0]["steps-to-solve"]
    assert [line(figure, mark)[-1].tolist() for mark in "os"] == [[50, 0.5], [100, 0.5]]


def test_without_a_goal_there_is_no_picture_of_success(make_arm):
    info = result() | {"metric": {**recorded.METRIC, "goal": None}}
    runs = make_arm("a", [(evals({0: 0.3}), info)] * 2)
    assert set(drawn(runs)[0]) == {"learning"}


def test_compared_by_another_measure_the_learning_curve_is_still_that_of_the_task(make_arm):
    runs = make_arm("a", [(evals({0: 0.3, 100: 0.1}), result())] * 2)
    figure = drawn(runs, metric="parameters")[0]["learning"]
    assert figure.axes[0].get_ylabel() == "mse on evaluation data"


def test_a_damaged_record_is_named_and_the_others_are_drawn(make_arm):
    runs = make_arm("a", [(evals({0: 0.3, 100: value}), result()) for value in (0.1, 0.2, 0.9)])
    record = runs[2].path / "record.jsonl"
    record.write_text(record.read_text().replace('"loss": 1.0', '"loss": null'))
    pictures, notes = drawn(runs)
    np.testing.assert_allclose(line(pictures["learning"], "o"), [[0, 0.3], [100, 0.15]])
    assert len(notes) == 1
    assert notes[0].startswith("a2: its curves are not drawn:")


def test_more_arms_than_can_be_told_apart_are_counted(make_arm, monkeypatch):
    monkeypatch.setattr(group, "MOST_ARMS", 2)
    runs = []
    for size in (4, 8, 16):
        runs += make_arm(f"s{size}-", [([], result())], model={"name": "rnn", "hidden_size": size})
    assert "only the first 2 of 3 arms are drawn: choose some with --where" in drawn(runs)[1]


@pytest.fixture
def quick_files(monkeypatch):
    """Files that hold the words of a picture: their names are tested, and drawing them takes its time."""

    def save(figure, path):
        path.write_text(" ".join([figure.axes[0].get_ylabel(), *legend(figure)]))
        return path

    monkeypatch.setattr(files, "save", save)


def test_files_of_another_comparison_stay_and_the_same_one_replaces_its_own(make_arm, tmp_path, quick_files):
    runs = make_arm("a", [(evals({0: 0.3}), result())] * 2)
    runs += make_arm("b", [(evals({0: 0.2}), result())] * 2, model=RNN)
    folder = tmp_path / "figures"
    said = list(save_grouped(compare_runs(runs), runs, folder))
    first = {path: path.read_bytes() for path in folder.iterdir()}
    assert {path.suffix for path in first} == {".png", ".svg", ".pdf"}
    assert sorted(said) == sorted(f"saved {path}" for path in first)
    for other, options in ((runs[:3], {}), (runs, {"metric": "loss"}), (runs, {"by": ["steps"]})):
        before = len(list(folder.iterdir()))
        list(save_grouped(compare_runs(other, **options), other, folder))
        assert len(list(folder.iterdir())) == before + len(first)
    list(save_grouped(compare_runs(runs), runs, folder))
    assert {path: path.read_bytes() for path in first} == first


def test_a_name_from_a_strangers_config_cannot_leave_the_folder(make_arm, tmp_path, quick_files):
    runs = []
    for size in (4, 8):
        runs += make_arm(f"s{size}-", [([], result())], model={"name": "rnn", "../../../x": size})
    list(save_grouped(compare_runs(runs), runs, tmp_path / "deep" / "figures"))
    assert {path.name for path in (tmp_path / "deep").iterdir()} == {"figures"}
    assert list((tmp_path / "deep" / "figures").glob("compare-solved-against-x-*.png"))


def test_a_file_more_in_the_folder_is_a_picture_more(make_arm, tmp_path, monkeypatch):
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "sizes.py").write_text(
        "from matplotlib.figure import Figure\n"
        "from seqablate.comparison.picture import Picture\n"
        "def pictures(group):\n    yield Picture(stem='sizes', draw=Figure)\n"
    )
    monkeypatch.setattr(grouped, "__path__", [*grouped.__path__, str(folder)])
    assert "sizes" in drawn(make_arm("a", [([], result())]))[0]
    monkeypatch.delitem(sys.modules, "seqablate.comparison.grouped.sizes")


def test_python_and_the_command_line_have_the_same_pictures(make_arm, tmp_path, capsys):
    make_arm("a", [(evals({0: 0.3}), result())] * 2)
    answer = compare(tmp_path / "runs")
    assert set(answer.figures()) == {"learning", "lag", "profile", "steps-to-solve"} - {"lag", "profile"}
    assert main([str(tmp_path / "runs"), "--json", "--plots", str(tmp_path / "out")]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("{")
    assert len(captured.err.splitlines()) == len(list((tmp_path / "out").iterdir())) == 6
