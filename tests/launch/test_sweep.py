"""Sweeps as a user meets them: real processes in a temporary folder, killed, resumed and extended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from seqablate.sweep.claims import Claims

SMALL = [
    "task.length=10",
    "model.hidden_size=6",
    "batch_size=4",
    "steps=20",
    "eval.every=10",
    "eval.size=20",
    "device=cpu",
]
LONG = [*SMALL, "steps=300", "eval.every=100", "stop_when_solved=false"]
ENDLESS = [*LONG, "steps=100000", "eval.every=1000"]


def call(*words: str, timeout: float = 240, **kwargs) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "seqablate", *words], capture_output=True, text=True, timeout=timeout, **kwargs
    )


def start(*words: str, **kwargs) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "seqablate", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kwargs
    )


def infos(folder: Path) -> dict[str, dict]:
    """run.json of every run in a sweep, by the name of its folder."""
    return {path.parent.name: json.loads(path.read_text()) for path in folder.glob("[!.]*/run.json")}


def wait_for(path: Path, text: str = "", seconds: float = 120) -> None:
    deadline = time.time() + seconds
    while time.time() < deadline and not (path.exists() and text in path.read_text()):
        time.sleep(0.05)


def pids(folder: Path) -> list[int]:
    """The processes that have a run of the sweep now."""
    return [claim.owner.pid for claim in Claims(folder / ".claims", "test").log() if claim.release is None]


def test_a_sweep_ends_with_a_table_and_one_failing_run_does_not_take_the_others_along(tmp_path):
    done = call("train", "-m", *SMALL, "model=rnn", "model.nonlinearity=relu", "clip=none", "optim=sgd",
                "optim.lr=1e8,0.01", "seed=0,1", "name=sweep", cwd=tmp_path)  # fmt: skip
    assert done.returncode == 1
    folder = tmp_path / "outputs" / "sweep"
    statuses = {name: info["status"] for name, info in infos(folder).items()}
    exploded, trained = ([name for name in sorted(statuses) if statuses[name] == kind] for kind in ("diverged", "done"))
    assert exploded == ["lr=100000000.0,seed=0", "lr=100000000.0,seed=1"]
    assert trained == ["lr=0.01,seed=0", "lr=0.01,seed=1"]
    assert done.stderr.count(": diverged: ") == 2
    assert "2 of 4 runs done" in done.stdout
    assert "lr" in done.stdout


def test_a_sweep_that_is_interrupted_stops_names_what_is_not_done_and_exits_with_130(tmp_path):
    process = start("train", "-m", *ENDLESS, "seed=0,1,2", "jobs=1", "name=sweep", cwd=tmp_path)
    wait_for(tmp_path / "outputs" / "sweep" / "seed=0" / "run.json")
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    output, complaint = process.communicate(timeout=60)
    assert process.returncode == 130, complaint
    assert "Traceback" not in complaint
    assert "seed=0: interrupted" in complaint
    assert "seed=2: not started" in complaint
    assert "0 of 3 runs done" in output


@pytest.mark.slow
def test_a_sweep_works_in_a_folder_of_any_name(tmp_path):
    folder = tmp_path / "it's (1), x"
    folder.mkdir()
    done = call("train", "-m", *SMALL, "seed=0,1", "name=s", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert sorted(infos(folder / "outputs" / "s")) == ["seed=0", "seed=1"]


def test_a_sweep_with_an_invalid_arm_starts_nothing(tmp_path):
    done = call("train", "-m", *SMALL, "clip.max_norm=1,-1", cwd=tmp_path)
    assert done.returncode == 2
    assert "clip.max_norm=-1" in done.stderr
    assert "nothing was started" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_shuffled_sweep_trains_each_value_once_and_counts_its_runs(tmp_path):
    done = call("train", "-m", *SMALL, "steps=1", "seed=shuffle(range(3))", "name=s", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "3 of 3 runs done" in done.stdout
    assert {f"[{n}/3] seed=" in done.stdout for n in (1, 2, 3)} == {True}
    assert sorted(info["seed"] for info in infos(tmp_path / "outputs" / "s").values()) == [0, 1, 2]


@pytest.mark.slow
def test_a_swept_run_is_made_in_the_folder_that_was_named_whatever_its_letters(tmp_path):
    done = call("train", "-m", *SMALL, "steps=1", "seed=0,1", "output_dir=été", "name=s", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2 of 2 runs done" in done.stdout
    assert [p.name for p in tmp_path.iterdir()] == ["été"]


def test_an_arm_that_can_be_composed_but_not_built_starts_nothing(tmp_path):
    """clip=state acts inside of a recurrence, and model=mlp has none."""
    words = ["task=digits", "model=lstm,mlp", "clip=state", "steps=2", "name=s"]
    done = call("train", "-m", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "model=mlp" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_impossible_arms_are_left_out_and_named_when_asked_for(tmp_path):
    words = [*SMALL, "clip.max_norm=1,-1", "backend=auto,torch", "clip=norm", "sweep.skip_invalid=true", "name=s"]
    done = call("train", "-m", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("skipped: ") == 2
    assert "clip.max_norm=-1" in done.stderr
    assert sorted(infos(tmp_path / "outputs" / "s")) == ["backend=auto,max_norm=1", "backend=torch,max_norm=1"]


@pytest.mark.slow
def test_the_same_words_find_nothing_to_do_and_touch_nothing(tmp_path):
    words = ["train", "-m", *SMALL, "seed=0,1", "name=s"]
    assert call(*words, cwd=tmp_path).returncode == 0
    folder = tmp_path / "outputs" / "s"
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    done = call(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2 are there, 0 to do" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.slow
def test_more_seeds_and_arms_extend_a_sweep_and_what_is_there_is_not_trained_again(tmp_path):
    folder = tmp_path / "outputs" / "s"
    assert call("train", "-m", *SMALL, "seed=0,1", "name=s", cwd=tmp_path).returncode == 0
    before = {name: info["started"] for name, info in infos(folder).items()}
    done = call("train", "-m", *SMALL, "model=lstm,rnn", "seed=0,1,2", "name=s", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2 are there, 4 to do" in done.stdout
    after = infos(folder)
    assert {name: after[name]["started"] for name in before} == before
    found = sorted((info["seed"], info["parameters"]) for info in after.values())
    assert len(found) == len(set(found)) == 6
    assert "model=rnn,seed=2" in after


@pytest.mark.slow
def test_a_killed_sweep_goes_on_from_its_checkpoints_with_resume_or_the_same_words(tmp_path):
    words = ["train", "-m", *LONG, "checkpoint.every=20", "seed=range(4)", "jobs=2", "name=s"]
    whole = call(*words, "output_dir=whole", cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr
    process = start(*words, cwd=tmp_path)
    folder = tmp_path / "outputs" / "s"
    wait_for(folder / "seed=1" / "record.jsonl", '"commit"')
    process.kill()
    process.communicate(timeout=60)
    assert 0 < len(infos(folder)) < 4 or "done" not in {info["status"] for info in infos(folder).values()}
    done = call("resume", str(folder), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for name in ("seed=0", "seed=1", "seed=2", "seed=3"):
        newest = [
            sorted((tmp_path / place / "s" / name / "checkpoints").iterdir())[-1] for place in ("whole", "outputs")
        ]
        assert newest[0].name == newest[1].name
        broken, unbroken = (torch.load(path, weights_only=True)["model"] for path in newest)
        assert all(torch.equal(broken[key], unbroken[key]) for key in unbroken)


@pytest.mark.slow
def test_workers_end_with_the_process_that_watches_them(tmp_path):
    process = start("train", "-m", *ENDLESS, "seed=0,1", "jobs=2", "name=s", cwd=tmp_path)
    folder = tmp_path / "outputs" / "s"
    wait_for(folder / "seed=0" / "record.jsonl", '"train"')
    wait_for(folder / "seed=1" / "record.jsonl", '"train"')
    found = pids(folder)
    assert len(found) == 2
    process.kill()
    process.communicate(timeout=60)
    deadline = time.time() + 30
    while time.time() < deadline and any(os.path.exists(f"/proc/{pid}") for pid in found):
        time.sleep(0.1)
    assert not any(os.path.exists(f"/proc/{pid}") for pid in found)
    assert {info["status"] for info in infos(folder).values()} == {"interrupted"}


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_its_run_which_is_taken_up_again(tmp_path):
    process = start("train", "-m", *LONG, "steps=1000", "checkpoint.every=50", "seed=0,1",
                    "jobs=2", "name=s", cwd=tmp_path)  # fmt: skip
    folder = tmp_path / "outputs" / "s"
    wait_for(folder / "seed=0" / "record.jsonl", '"commit"')
    os.kill(pids(folder)[0], signal.SIGKILL)
    _, complaint = process.communicate(timeout=240)
    assert process.returncode == 0, complaint
    assert "killed" in complaint
    endings = [claim.release and claim.release.status for claim in Claims(folder / ".claims", "test").log()]
    assert sorted(endings, key=str) == [None, "done", "done"]


@pytest.mark.slow
def test_a_run_whose_workers_die_again_and_again_is_left_and_named(tmp_path):
    process = start("train", "-m", *ENDLESS, "seed=0", "jobs=1", "name=s", cwd=tmp_path)
    folder = tmp_path / "outputs" / "s"
    wait_for(folder / "seed=0" / "record.jsonl", '"train"')
    for deaths in (0, 1):
        deadline = time.time() + 60
        while time.time() < deadline and len(Claims(folder / ".claims", "test").log()) <= deaths:
            time.sleep(0.05)
        time.sleep(0.2)
        os.kill(Claims(folder / ".claims", "test").log()[-1].owner.pid, signal.SIGKILL)
    output, complaint = process.communicate(timeout=240)
    assert process.returncode == 1
    assert "seed=0: killed" in complaint
    assert "0 of 1 runs done" in output


@pytest.mark.slow
def test_a_run_that_takes_too_long_is_saved_and_left(tmp_path):
    done = call("train", "-m", *ENDLESS, "seed=0", "jobs=1", "sweep.timeout=1", "name=s", cwd=tmp_path)
    assert done.returncode == 1
    assert "timeout" in done.stderr
    info = infos(tmp_path / "outputs" / "s")["seed=0"]
    assert info["status"] == "interrupted"
    assert info["step"] > 0


@pytest.mark.slow
def test_two_sweeps_of_one_name_started_at_once_share_the_work(tmp_path):
    words = ["train", "-m", *LONG, "seed=range(4)", "jobs=1", "name=s"]
    both = [start(*words, cwd=tmp_path) for _ in range(2)]
    for process in both:
        _, complaint = process.communicate(timeout=200)
        assert process.returncode == 0, complaint
    folder = tmp_path / "outputs" / "s"
    log = Claims(folder / ".claims", "test").log()
    assert sorted(claim.run for claim in log if claim.release.status == "done") == [f"seed={n}" for n in range(4)]
    assert len(infos(folder)) == 4


@pytest.mark.slow
def test_another_shell_joins_a_sweep_and_a_reader_sees_it_go_on(tmp_path):
    """Four runs take several times as long as a worker takes to start."""
    words = ["train", "-m", *LONG, "steps=2500", "seed=range(4)", "jobs=1", "name=s"]
    process = start(*words, cwd=tmp_path)
    folder = tmp_path / "outputs" / "s"
    wait_for(folder / "sweep.jsonl")
    joined = call("work", str(folder), cwd=tmp_path)
    output, complaint = process.communicate(timeout=240)
    assert (joined.returncode, process.returncode) == (0, 0), joined.stderr + complaint
    owners = {claim.owner.pid for claim in Claims(folder / ".claims", "test").log()}
    assert len(owners) == 2
    assert "4 of 4 runs done" in output


@pytest.mark.slow
def test_a_start_that_was_killed_half_way_leaves_nothing_that_stops_the_run(tmp_path):
    folder = tmp_path / "outputs" / "s"
    assert call("train", "-m", *SMALL, "seed=0", "name=s", cwd=tmp_path).returncode == 0
    begun = folder / "seed=1"
    (begun / "checkpoints").mkdir(parents=True)
    (begun / "config.yaml").write_text("seed: 1\n")
    (begun / "record.jsonl").write_bytes(b'{"kind": "header", "versio')
    done = call("train", "-m", *SMALL, "seed=0,1", "name=s", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert infos(folder)["seed=1"]["status"] == "done"


@pytest.mark.slow
def test_a_name_that_something_else_has_is_refused(tmp_path):
    (tmp_path / "outputs" / "s").mkdir(parents=True)
    (tmp_path / "outputs" / "s" / "notes.txt").write_text("mine")
    done = call("train", "-m", *SMALL, "seed=0,1", "name=s", cwd=tmp_path)
    assert done.returncode == 2
    assert "no sweep" in done.stderr
    assert [path.name for path in (tmp_path / "outputs" / "s").iterdir()] == ["notes.txt"]
