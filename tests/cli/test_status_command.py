"""``seqablate status``: what it says of a sweep, and that it costs little."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from recorded import header, info, train_row

from seqablate.cli.status import main
from seqablate.errors import UsageError
from seqablate.sweep.claims import Claims
from seqablate.sweep.folder import PlannedRun, Request, make_sweep

SPENT = {"total": 20.0, "train": 19.0, "eval": 1.0}
COMMAND = [sys.executable, "-m", "seqablate"]


def planned(model: str, seed: int) -> PlannedRun:
    return PlannedRun(f"model={model},seed={seed}", [f"model={model}", f"seed={seed}"], f"{seed:064x}",
                      {"model": model, "seed": str(seed)})  # fmt: skip


@pytest.fixture
def sweep(tmp_path) -> Path:
    """Two models, three seeds each; nothing has begun."""
    path = tmp_path / "sweep"
    path.mkdir()
    folder = make_sweep(path)
    runs = [planned(model, seed) for model in ("lstm", "gru") for seed in range(3)]
    with folder.planning():
        folder.extend(Request(["model=lstm,gru", "seed=range(3)"], "", [run.name for run in runs]), runs)
    return path


def recorded(sweep: Path, name: str, status: str, trained: int = 0, **new) -> Path:
    """The folder of a run, with some steps of training in its record."""
    folder = sweep / name
    folder.mkdir()
    digest = f"{int(name[-1]):064x}"
    rows = [header(digest=digest, config={"steps": 1000}), *(train_row(step) for step in range(trained))]
    (folder / "record.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "run.json").write_text(json.dumps(info(status=status, digest=digest, **new)))
    return folder


def says(capsys, *words: str) -> list[str]:
    assert main([*words]) == 0
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def test_a_sweep_that_has_not_begun_is_all_to_do_and_says_how_to_begin(sweep, capsys, monkeypatch):
    monkeypatch.chdir(sweep.parent)
    assert says(capsys, "sweep") == [
        "sweep: 6 runs",
        "model  done  running  to do",
        "lstm      0        0      3",
        "gru       0        0      3",
        "[0/6]  – left  0 runs going on",
        "continue: seqablate resume sweep",
    ]


def test_arms_runs_that_go_on_failures_and_the_time_left_are_shown(sweep, capsys):
    recorded(sweep, "model=lstm,seed=0", "done", step=1000, seconds=SPENT)
    recorded(sweep, "model=lstm,seed=1", "failed", message="out of memory")
    recorded(sweep, "model=gru,seed=0", "diverged", message="loss is not finite at step 3", seconds=SPENT)
    folder = recorded(sweep, "model=gru,seed=1", "running", trained=500, step=400, final={"mse": 0.05})
    with Claims(sweep / ".claims", "host:7").take("model=gru,seed=1"), (folder / "record.jsonl").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        shown = says(capsys, str(sweep))
    assert shown[1:] == [
        "model  done  diverged  running  failed  to do",
        "lstm      1         0        0       1      1",
        "gru       0         1        1       0      1",
        "[3/6]  about 50.0 s left  1 run going on",  # half of a run, and two whole ones, of 20 s each
        "  model=gru,seed=1  500/1000  mse 0.05  host:7",
        "model=lstm,seed=1: failed: out of memory",
        "model=gru,seed=0: diverged: loss is not finite at step 3",
    ]


def test_a_run_that_somebody_has_claimed_is_running_also_before_anything_is_recorded(sweep, capsys):
    with Claims(sweep / ".claims", "host:7").take("model=gru,seed=1"):
        (running,) = (run for run in json.loads("".join(says(capsys, "--json", str(sweep))))["runs"] if run["worker"])
    assert (running["name"], running["standing"], running["worker"]) == ("model=gru,seed=1", "running", "host:7")


def test_a_run_whose_process_is_gone_is_to_do(sweep, capsys):
    recorded(sweep, "model=lstm,seed=0", "running", trained=30, step=20)
    found = json.loads("".join(says(capsys, "--json", str(sweep))))
    assert found["runs"][0]["standing"] == "killed"
    assert found["counts"]["killed"] == 1
    assert says(capsys, str(sweep))[2] == "lstm      0        0      3"


def test_json_has_every_run_with_what_it_is_and_how_far(sweep, capsys):
    recorded(sweep, "model=lstm,seed=1", "done", step=800, seed=1, final={"mse": 0.004}, solved_at=700, seconds=SPENT)
    found = json.loads("".join(says(capsys, "--json", str(sweep))))
    assert (found["version"], found["sweep"], len(found["runs"])) == (1, str(sweep), 6)
    assert found["counts"] == {
        "pending": 5, "running": 0, "done": 1, "diverged": 0, "failed": 0, "interrupted": 0, "killed": 0
    }  # fmt: skip
    assert found["runs"][1] == {
        "name": "model=lstm,seed=1", "words": ["model=lstm", "seed=1"], "swept": {"model": "lstm", "seed": "1"},
        "seed": 1, "standing": "done", "step": 800, "steps": 1000, "metric": "mse", "value": 0.004, "solved_at": 700,
        "seconds": 20.0, "worker": None, "message": None,
    }  # fmt: skip
    assert found["runs"][0]["standing"] == "pending"
    assert found["runs"][0]["steps"] is None


def test_of_many_failures_some_are_listed(tmp_path, capsys):
    folder = make_sweep(tmp_path)
    runs = [planned("rnn", seed) for seed in range(10)] + [planned("gru", seed) for seed in range(10)]
    runs += [planned("lstm", seed) for seed in range(10)]
    with folder.planning():
        folder.extend(Request([], "", []), runs)
    for run in runs:
        recorded(tmp_path, run.name, "failed", message="no \x1b[31m[b]memory")
    shown = says(capsys, str(tmp_path))
    assert shown[6] == "model=rnn,seed=0: failed: no \\x1b[31m[b]memory"
    assert shown[-1] == "and 11 more that failed or diverged (--json has all)"


@pytest.mark.parametrize("name", ["nothing", "folder"])
def test_what_is_no_sweep_is_refused(name, tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match=r"no such folder|is not a sweep: it has no sweep\.jsonl"):
        main([str(tmp_path / name)])


def test_a_folder_of_sweeps_names_them(sweep):
    with pytest.raises(UsageError, match=f"is not a sweep: it has no sweep.jsonl; there is {sweep}"):
        main([str(sweep.parent)])


def test_a_watch_looks_until_every_run_has_ended_and_prints_what_changes(sweep, capsys, monkeypatch):
    looks = []

    def wait(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 2:
            for name in ("lstm", "gru"):
                for seed in range(3):
                    recorded(sweep, f"model={name},seed={seed}", "done", seconds=SPENT)

    monkeypatch.setattr("seqablate.cli.status.time.sleep", wait)
    lines = says(capsys, "--watch", "--json", str(sweep))
    assert looks == [2.0, 2.0]
    assert [json.loads(line)["counts"]["done"] for line in lines] == [0, 6]


@pytest.fixture
def real(tmp_path):
    """A sweep of three endless runs, two of which go on."""
    words = ["task.length=10", "model=rnn", "model.hidden_size=6", "steps=100000", "stop_when_solved=false"]
    words += ["eval.size=20", "eval.every=100", "device=cpu", "backend=torch", "seed=0,1,2", "jobs=2"]
    command = [*COMMAND, "train", "-m", *words, "name=sweep", "output_dir=."]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path) as train:
        try:
            while train.poll() is None and len(list(tmp_path.glob("sweep/*/record.jsonl"))) < 2:
                time.sleep(0.1)
            yield tmp_path / "sweep"
        finally:
            train.kill()


@pytest.mark.slow
def test_a_real_sweep_is_followed_on_a_terminal_until_ctrl_c(real):
    found = subprocess.run([*COMMAND, "status", "--json", real], capture_output=True, check=True)
    running = [run for run in json.loads(found.stdout)["runs"] if run["standing"] == "running"]
    assert [run["seed"] for run in running] == [0, 1]
    assert all(run["worker"] and run["step"] < run["steps"] == 100000 for run in running)
    master, terminal = pty.openpty()
    with subprocess.Popen([*COMMAND, "status", "--watch", real], stdout=terminal, stderr=subprocess.PIPE) as status:
        os.close(terminal)
        shown = b""
        while b"seed=1" not in shown:
            shown += os.read(master, 1 << 16)
        status.send_signal(signal.SIGINT)
        assert status.stderr.read() == b"seqablate: interrupted\n"
        assert status.wait(timeout=60) == 130
    shown += os.read(master, 1 << 16)
    os.close(master)
    assert b"all runs     0        2      1" in re.sub(rb"\x1b\[[\d;?]*\w", b"", shown)
    assert shown.rstrip().endswith(b"\x1b[?25h")  # the cursor is there again
