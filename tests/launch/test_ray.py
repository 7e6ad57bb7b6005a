"""launch=ray on clusters that are really started, of one node and of two, of which one is lost."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from seqablate.api import load_run
from seqablate.errors import UsageError
from seqablate.launch.cluster import ray
from seqablate.sweep.claims import Claims
from seqablate.sweep.options import split_options

pytest.importorskip("ray")

SMALL = ["task.length=10", "model.hidden_size=6", "batch_size=4", "eval.every=500", "eval.size=20", "device=cpu"]
ENDLESS = [*SMALL, "steps=100000", "eval.every=100000", "stop_when_solved=false"]
TWO_NODES = Path(__file__).with_name("two_nodes.py")


def loopback(*command: str) -> list[str]:
    """A command in a network of its own, which is this machine alone; the test is skipped where there are none."""
    unshare = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-rn"]
    inside = [*unshare, "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *command]
    if subprocess.run([*inside[: -len(command)], "true"], capture_output=True).returncode:
        pytest.skip("this system makes no network namespace (unshare -n), in which Ray would stay on loopback")
    return inside


def claims(folder: Path) -> list:
    return Claims(folder / ".claims", "test").log()


def wait_until(condition, process: subprocess.Popen, seconds: float = 400) -> None:
    """Wait while a process works towards a condition; a failure shows what the process has said."""
    deadline = time.monotonic() + seconds
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            pytest.fail("it does not happen:\n" + "\n".join(process.communicate()))
        time.sleep(0.05)


def test_a_machine_without_ray_is_told_what_is_missing(monkeypatch):
    split_options(["launch=ray"])
    monkeypatch.setattr(ray, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'seqablate\[ray\]'"):
        split_options(["launch=ray"])


@pytest.mark.parametrize("address", ["nowhere", "ray://:1", "127.0.0.1:x", "127.0.0.1"])
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(UsageError, match="must be HOST:PORT"):
        split_options(["launch=ray", f"launch.address={address}"])


def test_a_cluster_that_does_not_answer_is_refused_at_once():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        with pytest.raises(UsageError, match="no Ray cluster answers there"):
            split_options(["launch=ray", f"launch.address=127.0.0.1:{taken.getsockname()[1]}"])


@pytest.mark.slow
@pytest.mark.timeout(500)
@pytest.mark.parametrize("shared", ["true", "false"])
def test_a_cluster_that_loses_a_node_does_a_whole_sweep(tmp_path, shared):
    words = [*SMALL, "steps=600", "model=lstm,rnn", "seed=range(6)", "name=s", "launch=ray", f"launch.shared={shared}"]
    title = "work_there" if shared == "true" else "train_there"
    command = loopback(sys.executable, str(TWO_NODES), title, "outputs/s", *words, "stop_when_solved=false")
    done = subprocess.run(command, capture_output=True, text=True, timeout=480)
    assert done.returncode == 0, done.stderr
    assert "a worker was lost" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "12 of 12 runs done" in done.stdout
    folder = tmp_path / "outputs" / "s"
    runs = [load_run(path.parent) for path in folder.glob("[!.]*/run.json")]
    assert [(run.status, run.info.step, len(run.metrics)) for run in runs] == [("done", 600, 601)] * 12
    assert all(run.load_model() is not None for run in runs)
    endings = [claim.release.status if claim.release else "killed" for claim in claims(folder)]
    assert endings.count("done") == 12
    assert set(endings) <= {"done", "killed"}  # the node may be lost between two runs
    assert not list(folder.glob(".arriving"))


@pytest.mark.slow
@pytest.mark.timeout(1000)
def test_a_run_that_is_stopped_away_from_home_comes_back_saved_and_is_sent_out_again(tmp_path):
    words = ["train", "-m", *ENDLESS, "seed=range(1)", "name=s", "launch=ray", "launch.shared=false", "jobs=1"]
    command = loopback(sys.executable, "-m", "seqablate", *words)
    run = tmp_path / "outputs" / "s" / "seed=0"
    steps = [stop_in_a_run(command, run, n, signum) for n, signum in enumerate((signal.SIGINT, signal.SIGTERM))]
    assert 0 < steps[0] < steps[1]
    assert (run / "record.jsonl").read_text().count('"kind":"resume"') == 1


def goes_on(record: Path, resumed: int) -> bool:
    """Whether a process trains a run that was resumed so many times."""
    parts = record.read_bytes().split(b'"kind":"resume"')
    return len(parts) == resumed + 1 and b'"kind":"train"' in parts[-1]


def stop_in_a_run(command: list[str], run: Path, resumed: int, signum: int) -> int:
    """Start the sweep, have it train for a while and stop it; the step at which the run was saved."""
    away = Path("away")
    away.mkdir(exist_ok=True)
    environment = os.environ | {"TMPDIR": str(away.resolve()), "RAY_TMPDIR": "/tmp"}  # sockets need a short path
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, **pipes, text=True, env=environment)
    records = f"seqablate-*/{run.name}/record.jsonl"
    wait_until(lambda: any(goes_on(record, resumed) for record in away.glob(records)), process)
    process.send_signal(signum)
    output, complaint = process.communicate(timeout=100)
    assert process.returncode == 128 + signum, complaint
    assert "Traceback" not in output + complaint
    info = load_run(run).info
    assert info.status == "interrupted"
    assert (run / "checkpoints" / f"step_{info.step:08d}.pt").is_file()
    return info.step
