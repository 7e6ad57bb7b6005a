"""The table of runs: what counts as a difference, and what stands in the cells."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from seqablate.comparison.settings import differing_keys, headings
from seqablate.comparison.table import render_table, rows
from seqablate.config.flat import flat_config
from seqablate.record.identity import RESUMED

NORM = {"name": "norm", "max_norm": 1.0}


def rendered(runs, width: int = 200) -> str:
    console = Console(file=io.StringIO(), width=width, legacy_windows=False)
    console.print(render_table(runs, width))
    return console.file.getvalue()


def test_a_chosen_variant_stands_under_its_groups_name():
    config = {"model": {"name": "lstm", "hidden_size": 8}, "name": "x", "probe": {"every": 1}}
    assert flat_config(config) == {"model": "lstm", "model.hidden_size": 8, "name": "x", "probe.every": 1}


def test_equal_runs_differ_in_nothing_whatever_their_name_place_seed_and_loudness(make_run):
    assert differing_keys([make_run("a", seed=0), make_run("b", seed=1)]) == []


def test_a_key_of_one_variant_is_implied_by_the_variant(make_run):
    assert differing_keys([make_run("a"), make_run("b", clip=NORM)]) == ["clip"]


def test_a_key_of_one_variant_counts_once_two_runs_of_it_differ(make_run):
    runs = [make_run("a"), make_run("b", clip=NORM), make_run("c", clip={**NORM, "max_norm": 0.1})]
    assert differing_keys(runs) == ["clip", "clip.max_norm"]
    assert [row.config for row in rows(runs)] == [
        {"clip": "none"},
        {"clip": "norm", "clip.max_norm": 1.0},
        {"clip": "norm", "clip.max_norm": 0.1},
    ]
    first = next(line.split() for line in rendered(runs).splitlines() if line.split()[-1:] == ["a"])
    assert first[:2] == ["none", "–"]


def test_a_row_holds_what_run_json_says(make_run):
    [row] = rows([make_run("a", seed=3)])
    assert (row.seed, row.status, row.step, row.solved_at) == (3, "done", 100, 40)
    assert (row.metric, row.value, row.chance) == ("mse", 0.0037, 1 / 6)
    assert (row.clipped_share, row.seconds) == (0.25, 12.5)
    assert row.decay.state == "c"
    assert row.decay.factor == pytest.approx(0.99)


def test_the_cells_are_readable(make_run):
    text = rendered([make_run("a", clip=NORM)])
    for words in ("chance 0.167", "goal 0.01", "0.0037", "0.99x (c)", "25 %", "12.5 s"):
        assert words in text, words


def test_a_share_of_clipped_steps_is_shown_only_where_something_clips(make_run):
    none, norm = make_run("a", info={"clipped_share": 0.0}), make_run("b", clip=NORM, info={"clipped_share": 0.0})
    assert [row.to_json()["clipped_share"] for row in rows([none, norm])] == [0.0, 0.0]
    assert "0 %" in rendered([norm])
    assert "0 %" not in rendered([none])


@pytest.mark.parametrize("status", ["failed", "diverged", "interrupted"])
def test_runs_that_ended_badly_stay_in_the_table(make_run, status):
    empty = {"status": status, "final": None, "decay": [], "clipped_share": None, "solved_at": None}
    assert status in rendered([make_run("good"), make_run("bad", info=empty)])


def test_a_run_that_says_running_while_nobody_writes_it_was_killed(make_run):
    assert rows([make_run("a", info={"status": "running"})])[0].status == "killed"


def test_brackets_in_a_name_are_not_taken_for_markup(make_run):
    assert "x[bold]y" in rendered([make_run("x[bold]y")])


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_narrow_terminal_loses_columns_not_lines(make_run, width):
    text = rendered([make_run("a"), make_run("b", seed=1)], width)
    assert max(map(len, text.splitlines())) <= width
    for word in ("done", "0.0037", "40"):
        assert word in text, word


def test_a_narrow_terminal_says_what_it_leaves_out(make_run):
    runs = [make_run("a" * 30), make_run("b" * 30, clip=NORM)]
    text = " ".join(rendered(runs, 80).split())
    assert "left out for lack of width: folder, time" in text
    assert "a" * 30 not in text
    assert "left out" not in rendered(runs, 200)


def test_many_settings_share_a_column_and_every_line_fits(make_run):
    models = [
        {"name": name, "hidden_size": 8, "gain": gain, "init": "orthogonal"}
        for name in ("rnn", "gru")
        for gain in (1.0, 2.0)
    ]
    optims = [{"name": "momentum", "lr": lr, "momentum": 0.9 * lr, "nesterov": lr > 1} for lr in (0.5, 2.0)]
    texts = [{"name": "lm", "corpus": c * 40, "length": len(c), "level": c} for c in ("word", "characters")]
    arms = [(m, o, t) for m in models for o in optims for t in texts]
    runs = [make_run(str(i), model=m, optim=o, task=t, clip=NORM) for i, (m, o, t) in enumerate(arms)]
    text = rendered(runs, 80)
    assert max(map(len, text.splitlines())) <= 80
    for words in ("gain=2.0", "lr=0.5", "nesterov=true", "done"):
        assert words in text, words


def test_headings_are_short_where_that_is_clear():
    assert headings(["model.gain", "model.dropout", "task.dropout"]) == {
        "model.gain": "gain",
        "model.dropout": "model.dropout",
        "task.dropout": "task.dropout",
    }


def test_steps_asked_and_steps_done_are_told_apart(make_run):
    head = " ".join(rendered([make_run("a"), make_run("b", steps=200)]).split())
    assert "steps asked" in head
    assert "done" in head


def test_the_numbers_of_a_run_that_diverged_say_of_which_step_they_are(make_run):
    bad = {"status": "diverged", "step": 51, "measured_step": 20}
    [row] = rows([make_run("a", info=bad)])
    assert (row.measured_step, row.value) == (20, 0.0037)
    assert rendered([make_run("b", info=bad)]).count("at step 20") == 2
    [unknown] = rows([make_run("c", info={"status": "diverged", "step": 51})])
    assert (unknown.value, unknown.decay) == (None, None)


def test_different_metrics_carry_their_own_name_and_chance(make_run):
    other = {"name": "wrong", "chance": 0.5, "goal": None, "lower_is_better": True, "unit": "", "source": ""}
    text = rendered([make_run("a"), make_run("b", info={"metric": other, "final": {"loss": 1.0, "wrong": 0.25}})])
    assert "mse 0.0037 (0.167)" in text
    assert "wrong 0.25 (0.5)" in text


NORM_FILE, ENGINE = "seqablate/clip/norm.py", "seqablate/engine/cell.py"


def test_older_runs_that_other_code_computed_are_marked_and_a_file_is_named(make_run):
    runs = [
        make_run("old", info={"started": "2026-11-01T10:00:00+00:00"}, files={ENGINE: "1" * 16, NORM_FILE: "2" * 16}),
        make_run("new", info={"started": "2026-11-03T10:00:00+00:00"}, files={ENGINE: "1" * 16, NORM_FILE: "3" * 16}),
        make_run("none", info={"started": "2026-11-02T10:00:00+00:00"}, files={ENGINE: "1" * 16}),
    ]
    assert [row.to_json()["other_code"] for row in rows(runs)] == [NORM_FILE, None, None]
    text = rendered(runs)
    marked = [line.split()[-1] for line in text.splitlines() if "done*" in line]
    assert marked == ["old"]
    last = text.rstrip().splitlines()[-1]
    assert last.strip() == f"* not computed by the same code as the newest run: {NORM_FILE}"


def test_runs_of_one_code_and_runs_that_share_no_file_have_no_mark(make_run):
    runs = [make_run("a", files={ENGINE: "1" * 16}), make_run("b", files={ENGINE: "1" * 16, NORM_FILE: "2" * 16})]
    assert "*" not in rendered([*runs, make_run("c", files={"mine.py": "3" * 16})])


def test_another_version_of_torch_marks_the_older_run(make_run):
    old = {"started": "2026-11-01T10:00:00+00:00", "versions": {"torch": "2.12.1"}}
    new = {"started": "2026-11-02T10:00:00+00:00", "versions": {"torch": "2.13.0"}}
    runs = [make_run("a", info=new), make_run("b", info=old)]
    assert [row.other_code for row in rows(runs)] == [None, "torch 2.12.1 (now 2.13.0)"]


def test_a_run_that_was_resumed_by_other_code_is_marked(make_run):
    runs = [make_run("a"), make_run("b", seed=1, info={"fingerprint": "5" * 64})]
    assert [row.other_code for row in rows(runs)] == [None, RESUMED]


def test_a_file_name_in_a_record_from_a_stranger_is_printed_as_text(make_run):
    runs = [
        make_run("old", info={"started": "1"}, files={"[red]x\x1b[31m.py": "1" * 16}),
        make_run("new", info={"started": "2"}, files={"[red]x\x1b[31m.py": "2" * 16}),
    ]
    assert "[red]x\\x1b[31m.py" in rendered(runs)
