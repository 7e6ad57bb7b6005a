"""launch=slurm: what Slurm is asked for, and jobs that are really started, by submitit's local executor."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from seqablate.api import load_run
from seqablate.errors import RunFailure, UsageError
from seqablate.launch.cluster import slurm
from seqablate.sweep.claims import Claims
from seqablate.sweep.options import split_options
from seqablate.sweep.queue import Orders

pytest.importorskip("submitit")

SMALL = ["task.length=10", "model.hidden_size=6", "batch_size=4", "eval.every=50", "eval.size=20", "device=cpu"]
LOCAL = ["launch=slurm", "launch.cluster=local"]
SBATCH = """#!/bin/sh
[ -z "$REFUSED" ] || { echo "sbatch: error: invalid partition specified: $REFUSED" >&2; exit 1; }
cp "$1" submitted.sh
echo "Submitted batch job 4711"
"""


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A machine with sbatch and srun that keep what they are given."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sbatch", "srun"):
        (programs / name).write_text(SBATCH)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")


def sweep_of(folder: Path, words: list[str]) -> SimpleNamespace:
    options, _ = split_options(words)
    folder.mkdir(parents=True)
    return SimpleNamespace(
        folder=SimpleNamespace(path=folder), options=options, quiet=False, orders=lambda leave: Orders(leave=leave)
    )


def seqablate(*words: str, **kwargs) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "seqablate", *words], capture_output=True, text=True, **kwargs)


def wait_until(condition, seconds: float = 200) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.05)


def statuses(folder: Path) -> list[str]:
    return [json.loads(path.read_text())["status"] for path in sorted(folder.glob("[!.]*/run.json"))]


def test_slurm_is_asked_for_one_array_with_what_each_job_needs(tmp_path, cluster, capsys):
    needs = ["partition=gpu", "account=me", "timeout_min=90", "mem_gb=2", "cpus_per_task=3", "gpus=1"]
    lists = ["launch.sbatch=['qos=high']", "launch.setup=['module load python']"]
    words = ["launch=slurm", "jobs=4", *(f"launch.{need}" for need in needs), *lists]
    sweep = sweep_of(tmp_path / "outputs" / "s", words)
    assert sweep.options.launch.start(sweep, [None] * 40) is None
    script = (tmp_path / "submitted.sh").read_text()
    asked = {line for line in script.splitlines() if line.startswith("#SBATCH")}
    expected = "partition=gpu account=me time=90 mem=2GB cpus-per-task=3 gpus-per-node=1 qos=high array=0-3%4"
    assert {f"#SBATCH --{option}" for option in [*expected.split(), "job-name=seqablate-s"]} <= asked
    assert script.index("module load python") < script.index("srun ")
    said = capsys.readouterr().out
    assert "4 jobs: 4711_0, 4711_1, 4711_2, 4711_3" in said
    assert "seqablate status outputs/s --watch" in said
    assert len(list((tmp_path / "outputs" / "s" / slurm.LOGS).glob("4711_?_submitted.pkl"))) == 4


def test_no_more_jobs_are_submitted_than_there_are_runs(tmp_path, cluster, capsys):
    sweep = sweep_of(tmp_path / "s", ["launch=slurm", "jobs=40"])
    sweep.options.launch.start(sweep, [None] * 2)
    assert "submitted 2 jobs" in capsys.readouterr().out
    assert "gpus" not in (tmp_path / "submitted.sh").read_text()


def test_what_slurm_refuses_is_one_line(tmp_path, cluster, monkeypatch):
    monkeypatch.setenv("REFUSED", "gpux")
    sweep = sweep_of(tmp_path / "s", ["launch=slurm", "launch.partition=gpux"])
    with pytest.raises(RunFailure, match=r"^the jobs could not be submitted: .*invalid partition specified: gpux$"):
        sweep.options.launch.start(sweep, [None] * 2)


def test_a_linked_folder_for_the_output_of_jobs_is_refused(tmp_path, cluster):
    sweep = sweep_of(tmp_path / "s", ["launch=slurm"])
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "s" / slurm.LOGS).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="not a folder of its own"):
        sweep.options.launch.start(sweep, [None] * 2)
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize(("code", "queued_again"), [(75, True), (0, False), (1, False)])
def test_a_job_whose_memory_ran_out_is_queued_again(tmp_path, monkeypatch, code, queued_again):
    number, told = slurm._farewell(), []
    monkeypatch.setattr(slurm, "work_on", lambda *arguments: code)
    before = signal.signal(number, lambda number, frame: told.append(number))  # submitit's
    try:
        assert slurm.Turn(str(tmp_path), Orders())() == code
    finally:
        signal.signal(number, before)
    assert told == [number] * queued_again


def test_a_job_whose_memory_ran_out_says_so_where_nothing_queues_it_again(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(slurm, "work_on", lambda *arguments: 75)
    assert slurm.Turn(str(tmp_path), Orders())() == 75
    assert "memory ran out" in capsys.readouterr().err


def test_a_machine_without_submitit_or_slurm_is_told_what_is_missing(monkeypatch):
    with pytest.raises(UsageError, match="no sbatch and srun"):
        split_options(["launch=slurm"])
    split_options(LOCAL)
    with pytest.raises(UsageError, match="'high' must be option=value"):
        split_options([*LOCAL, "launch.sbatch=[high]"])
    monkeypatch.setattr(slurm, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'seqablate\[slurm\]'"):
        split_options(LOCAL)


@pytest.mark.slow
def test_jobs_of_this_machine_do_a_whole_sweep(tmp_path):
    words = [*SMALL, "steps=100", "model=lstm,rnn", "seed=range(6)", "name=s", *LOCAL, "jobs=2", "launch.wait=true"]
    done = seqablate("train", "-m", *words)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "12 of 12 runs done" in done.stdout
    runs = [load_run(path.parent) for path in (tmp_path / "outputs" / "s").glob("[!.]*/run.json")]
    assert [(run.status, run.info.step, len(run.metrics)) for run in runs] == [("done", 100, 101)] * 12
    assert all(run.load_model() is not None for run in runs)
    workers = {claim.owner.pid for claim in Claims(tmp_path / "outputs/s/.claims", "test").log()}
    assert len(workers) == 2


@pytest.fixture
def job(tmp_path):
    """A sweep of one run on one job, which has begun; the folder of the run and the process of the job."""
    words = [*SMALL, "steps=100000", "eval.every=100000", "stop_when_solved=false", "seed=range(1)", "name=s", *LOCAL]
    with open("said", "w") as said:  # no pipe: the job has it open as well, for as long as it works
        code = subprocess.call(
            [sys.executable, "-m", "seqablate", "train", "-m", *words, "jobs=1"], stdout=said, stderr=2
        )
    assert code == 0
    assert "submitted 1 job" in Path("said").read_text()
    run = tmp_path / "outputs" / "s" / "seed=0"
    wait_until(lambda: (run / "record.jsonl").exists() and b'"kind":"train"' in (run / "record.jsonl").read_bytes())
    processes = [claims(run)[-1].owner.pid]
    yield run, processes[0]
    processes.append(claims(run)[-1].owner.pid)
    for process in processes:
        subprocess.run(["kill", "-9", str(process)], capture_output=True)


def claims(run: Path) -> list:
    return Claims(run.parent / ".claims", "test").log()


@pytest.mark.slow
def test_a_job_that_slurm_ends_saves_its_run_which_another_worker_goes_on_with(job):
    run, process = job
    os.kill(process, signal.SIGTERM)  # what scancel and a preemption send
    wait_until(lambda: claims(run)[-1].release is not None)
    assert claims(run)[-1].release.status == "interrupted"
    saved = load_run(run).info.step
    assert saved > 0
    assert (run / "checkpoints" / f"step_{saved:08d}.pt").is_file()
    other = subprocess.Popen([sys.executable, "-m", "seqablate", "work", str(run.parent), "--leave"])
    wait_until(lambda: b'"kind":"resume"' in (run / "record.jsonl").read_bytes())
    other.terminate()
    other.wait()
    assert load_run(run).info.step > saved


@pytest.mark.slow
def test_a_job_whose_time_is_over_saves_its_run_and_goes_on_with_it_when_it_is_queued_again(job):
    run, process = job
    os.kill(process, signal.SIGUSR2)  # what submitit has Slurm send before the time is over
    wait_until(lambda: claims(run)[0].release is not None)
    assert claims(run)[0].release.status == "interrupted"
    saved = load_run(run).info.step
    assert (run / "checkpoints" / f"step_{saved:08d}.pt").is_file()
    wait_until(lambda: b'"kind":"resume"' in (run / "record.jsonl").read_bytes())
    assert claims(run)[-1].owner.pid != process
    wait_until(lambda: statuses(run.parent) == ["running"])
