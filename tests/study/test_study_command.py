"""Studies as a user meets them: a file of some lines, real processes, kills and refusals."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from seqablate.cli import main
from seqablate.study.file import load_study
from seqablate.study.frozen import freeze, make
from seqablate.sweep.claims import Claims

TINY = """\
claim: An LSTM solves the adding problem where an RNN does not.
arms:
  lstm: model=lstm
  rnn: model=rnn
fixed: task.length=10 model.hidden_size=6 batch_size=4 steps=60 eval.every=20 eval.size=20 checkpoint.every=20
tune:
  optim.lr: [0.01, 0.003]
tuning_seeds: 1
seeds: 6
criterion:
  measure: solved
  compare: lstm - rnn
  at_least: 0.5
"""
RUNS = 2 * 2 + 2 * 6


def call(*words: str, cwd: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "seqablate", "study", *words], capture_output=True, text=True, timeout=280, cwd=cwd
    )


@pytest.fixture
def file(tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY)
    return tmp_path / "tiny.yaml"


@pytest.mark.slow
def test_a_study_from_its_file_to_its_verdict_and_again_without_a_single_new_run(file, tmp_path):
    done = call("run", "tiny.yaml", cwd=tmp_path)
    assert done.returncode == 3, done.stdout + done.stderr  # neither arm solves anything in 60 steps
    assert "CONTRADICTED" in done.stdout
    assert "lstm 0 of 6, rnn 0 of 6" in done.stdout
    folder = tmp_path / "outputs" / "study-tiny"
    assert (folder / "verdict.png").is_file()
    runs = {path: path.stat().st_mtime_ns for path in folder.rglob("run.json")}
    assert len(runs) == RUNS
    again = call("run", str(folder), "--json", cwd=tmp_path)
    assert again.returncode == 3
    report = json.loads(again.stdout)
    assert (report["version"], report["verdict"], report["missing"]) == (1, "CONTRADICTED", [])
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("run.json")} == runs
    for part in ("tuning", "runs"):
        status = subprocess.run(
            [sys.executable, "-m", "seqablate", "status", str(folder / part)],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert "nothing left to do" in status.stdout


@pytest.mark.slow
def test_a_study_that_is_killed_again_and_again_goes_on_and_trains_no_run_twice(file, tmp_path):
    file.write_text(TINY.replace("steps=60", "steps=400").replace("eval.every=20 ", "eval.every=200 "))
    folder = tmp_path / "outputs" / "study-tiny"
    for begun in ("tuning", "runs"):
        process = subprocess.Popen(
            [sys.executable, "-m", "seqablate", "study", "run", "tiny.yaml"],
            cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        _wait_for_a_run(folder / begun)
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=60)
        assert call("report", "tiny.yaml", cwd=tmp_path).returncode == 5
    done = call("run", "tiny.yaml", cwd=tmp_path)
    assert done.returncode in (0, 3, 4), done.stdout + done.stderr
    claims = [claim for part in ("tuning", "runs") for claim in Claims(folder / part / ".claims", "test").log()]
    ended = [claim.run for claim in claims if claim.release is not None and claim.release.status == "done"]
    assert len(ended) == len(set(ended))
    infos = [json.loads(path.read_text()) for path in folder.glob("*/*/run.json")]
    assert [info["status"] for info in infos] == ["done"] * RUNS
    assert all(info["step"] == 400 or info["solved_at"] for info in infos)


def _wait_for_a_run(sweep: Path) -> None:
    deadline = time.time() + 200
    while time.time() < deadline and not any('"commit"' in path.read_text() for path in sweep.glob("*/record.jsonl")):
        time.sleep(0.05)


def test_bad_files_and_words_exit_with_2_and_one_line_and_write_nothing(file, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    file.write_text(TINY.replace("at_least", "atleast"))
    for words in (
        ["run", "tiny.yaml"],
        ["run", "nothing"],
        ["run", "missing.yaml"],
        ["run", "lstm-remembers", "steps=3"],
        ["run", "lstm-remembers", "budget=huge"],
        ["run", "lstm-remembers", "seeds.first=-1"],
        ["run", "lstm-remembers", "name=a/b"],
        ["run", "lstm-remembers", "sweep.samples=3"],
        ["run"],
        ["walk", "lstm-remembers"],
    ):
        assert main(["study", *words]) == 2, words
        assert capsys.readouterr().err.count("\n") == 1, words
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.yaml"]


def test_a_study_that_is_not_run_reports_so_with_exit_code_5(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["study", "report", "lstm-remembers"]) == 5
    assert "NOT RUN" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_what_is_listed_and_shown_is_the_same_as_json(capsys):
    assert main(["study", "list"]) == 0
    assert "forget-bias" in capsys.readouterr().out
    assert main(["study", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    files = (Path(__file__).parents[2] / "configs" / "study").glob("*.yaml")
    assert sorted(study["name"] for study in listed["studies"]) == sorted(file.stem for file in files)
    assert main(["study", "show", "forget-bias", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["version"] == 1
    assert {key: value for key, value in shown.items() if key != "version"} in listed["studies"]


@pytest.mark.parametrize("command", ["report", "plan", "run"])
def test_a_file_that_was_edited_after_the_study_was_frozen_decides_nothing(
    file, tmp_path, monkeypatch, capsys, command
):
    """Turning a criterion round would turn CONTRADICTED into SUPPORTED; nothing is written either."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "outputs" / "study-tiny"
    freeze(folder, make(load_study("tiny.yaml")))
    file.write_text(TINY.replace("lstm - rnn", "rnn - lstm"))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert main(["study", command, "tiny.yaml"]) == 2
    assert "was frozen with another criterion" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
