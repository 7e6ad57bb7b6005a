"""``seqablate compare``: what a person reads, what a program reads, and what is written where."""

from __future__ import annotations

import json
import shutil

import pytest

import seqablate
from seqablate.cli import main

RNN, LSTM = {"name": "rnn", "hidden_size": 8}, {"name": "lstm", "hidden_size": 8}


@pytest.fixture
def runs(make_run):
    """Six seeds of two arms; the LSTM is better in each pair."""
    for seed in range(6):
        for model, value in ((RNN, 0.2), (LSTM, 0.1)):
            metrics = {"loss": value + seed / 100, "mse": value + seed / 100}
            final = {"final": metrics, "test": {"loss": metrics["mse"], "metrics": metrics, "solved": False}}
            run = make_run(f"{model['name']}{seed}", seed=seed, model=model, info={**final, "solved_at": None})
    return run.path.parent


def test_the_answer_comes_first_then_the_numbers_and_what_is_unfair(runs, capsys):
    assert main(["compare", str(runs), "--baseline", "model=rnn"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("lstm is better than rnn in test mse: median difference -0.1 (-0.1 to -0.1), p = 0.031")
    assert said.err == ""


def test_json_is_all_that_a_program_reads_and_the_files_are_named_beside_it(runs, capsys, tmp_path):
    page, pictures = tmp_path / "page.html", tmp_path / "pictures"
    assert main(["compare", str(runs), "--json", "--html", str(page), "--plots", str(pictures)]) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert found == seqablate.compare(runs).to_json()
    assert page.read_text().startswith("<!doctype html>")
    saved = {path.suffix for path in pictures.iterdir()}
    assert saved == {".png", ".svg", ".pdf"}
    assert str(page) in said.err


@pytest.mark.parametrize(
    ("option", "sign"), [("--csv", "model,n,"), ("--markdown", "| model |"), ("--latex", "toprule")]
)
def test_a_table_can_go_into_a_paper(runs, capsys, option, sign):
    assert main(["compare", str(runs), option]) == 0
    assert sign in capsys.readouterr().out


def test_every_folder_that_counts_nowhere_is_named(runs, make_run, capsys):
    (runs / "notes").mkdir()
    (runs / "torn").mkdir()
    (runs / "torn" / "record.jsonl").write_text('{"kind": "head')
    shutil.copytree(runs / "rnn0", runs / ".stale" / "old")
    make_run("stopped", seed=9, model=RNN, info={"status": "interrupted"})
    assert main(["compare", str(runs)]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("left out")]
    told = {
        "notes": "no run",
        "torn": "torn",
        "old": "put aside",
        "stopped": "interrupted after 100",
    }
    for name, why in told.items():
        assert any(name in line and why in line for line in lines), (name, lines)
    assert len(lines) == 4


def test_a_notebook_and_pandas_get_the_same_numbers(runs):
    answer = seqablate.compare(runs, baseline=["model=rnn"])
    assert "<td>-0.1 [-0.1, -0.1]</td>" in answer._repr_html_()
    assert set(answer.frame["model"]) == {"rnn", "lstm"}
    assert {"lag", "steps-to-solve"} <= set(answer.figures())
    frame = seqablate.load_runs(runs)
    assert len(frame) == 12
    assert frame.groupby("model").test_mse.median().to_dict() == pytest.approx({"lstm": 0.125, "rnn": 0.225})
