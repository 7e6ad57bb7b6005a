"""Real processes killed with SIGKILL, stopped with signals, or out of disk: nothing is lost, nothing is doubled."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from recorded import as_json

import seqablate
from seqablate.record.reader import read_record

# A process that kills itself in the middle of the n-th call of an os function: half of a write, a rename not made.
DYING = """
import os, signal, sys
name, count = sys.argv[1], int(sys.argv[2])
real, calls = getattr(os, name), 0
def dying(*args, **kwargs):
    global calls
    calls += 1
    if calls == count:
        if name == "write":
            real(args[0], bytes(args[1])[: len(args[1]) // 2])
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args, **kwargs)
setattr(os, name, dying)
from seqablate.cli import main
sys.exit(main(sys.argv[3:]))
"""
WORDS = [
    "task.length=10", "model.hidden_size=8", "model.num_layers=2", "model.dropout=0.2", "batch_size=4", "steps=150",
    "eval.every=20", "eval.size=20", "checkpoint.every=15", "probe.every=10", "device=cpu", "stop_when_solved=false",
    "schedule=cosine", "optim=momentum",
]  # fmt: skip


def start(*arguments: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "seqablate", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def die_at(function: str, count: int, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DYING, function, str(count), *arguments], capture_output=True, timeout=120
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


def resume(path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "seqablate", "resume", str(path)], capture_output=True, timeout=120)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()


def without_its_bytes(row) -> dict:
    """A row without what depends on the times that a checkpoint holds."""
    return {key: value for key, value in as_json(row).items() if key not in ("sha256", "bytes")}


def assert_equals_the_unbroken_run(path: Path, unbroken: Path, steps: int = 150) -> None:
    broken_run, whole_run = seqablate.load_run(path), seqablate.load_run(unbroken)
    assert broken_run.status == "done"
    ours, theirs = broken_run.load_model().state_dict(), whole_run.load_model().state_dict()
    assert all(ours[name].equal(theirs[name]) for name in theirs)
    record, reference = read_record(path), read_record(unbroken)
    assert [row.step for row in record.train] == list(range(steps))
    for kind in ("train", "eval", "signal", "text", "commit", "test"):
        ours, theirs = (
            [without_its_bytes(row) for row in found.rows() if row.kind == kind] for found in (record, reference)
        )
        assert ours == theirs, kind
    for name in ("clipped_share", "best", "final", "test", "solved_at", "decay"):
        assert getattr(broken_run.info, name) == getattr(whole_run.info, name), name


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken")
    return seqablate.train([*WORDS, f"output_dir={folder}"]).path


LM = ["task=lm", "task.bptt=8", *WORDS[1:]]  # its carried state must come back as well


@pytest.mark.slow
def test_a_language_model_killed_between_windows_goes_on_in_the_state_it_was_in(tmp_path):
    unbroken = seqablate.train([*LM, f"output_dir={tmp_path}", "name=unbroken"]).path
    die_at("replace", 6, "train", *LM, "name=run", f"output_dir={tmp_path}")
    assert read_record(tmp_path / "run").commits
    resume(tmp_path / "run")
    assert_equals_the_unbroken_run(tmp_path / "run", unbroken)


# Moments inside record writes (write), on the way to the disk (fsync) and just before a file takes its name (replace).
MOMENTS = [("write", 2), ("write", 9), ("write", 40), ("fsync", 3), ("fsync", 12), ("replace", 2), ("replace", 9)]


@pytest.mark.parametrize(("function", "count"), [pytest.param("write", 30, marks=pytest.mark.slow), ("replace", 5)])
def test_a_run_killed_inside_a_write_ends_as_the_unbroken_one(function, count, unbroken, tmp_path):
    die_at(function, count, "train", *WORDS, "name=run", f"output_dir={tmp_path}")
    assert seqablate.load_run(tmp_path / "run").status == "killed"
    resume(tmp_path / "run")
    assert_equals_the_unbroken_run(tmp_path / "run", unbroken)


@pytest.mark.slow
def test_a_resumed_run_stays_with_the_backend_it_began_with(unbroken, tmp_path):
    """Begun where ``auto`` meant torch's kernels (no numba), it does not change to the compiled ones under way."""
    whole = seqablate.train([*WORDS, "backend=torch", f"output_dir={tmp_path}", "name=whole"]).path
    die_at("replace", 5, "train", *WORDS, "backend=torch", "name=run", f"output_dir={tmp_path}")
    config = tmp_path / "run" / "config.yaml"
    config.write_text(config.read_text().replace("backend: torch", "backend: auto"))
    resume(tmp_path / "run")
    assert seqablate.load_run(tmp_path / "run").info.backend == "torch"
    assert seqablate.load_run(unbroken).info.backend == "compiled"
    assert_equals_the_unbroken_run(tmp_path / "run", whole)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_twenty_kills_inside_writes_and_at_random_moments_and_during_resumes(unbroken, tmp_path):
    for function, count in MOMENTS:
        path = tmp_path / f"{function}-{count}"
        die_at(function, count, "train", *WORDS, f"name={path.name}", f"output_dir={tmp_path}")
        record = path / "record.jsonl"
        if record.exists() and b"\n" in record.read_bytes():  # else it was killed before anything was recorded
            resume(path)
            assert_equals_the_unbroken_run(path, unbroken)
    chance = random.Random(0)
    path = tmp_path / "often"
    die_at("write", 25, "train", *WORDS, "name=often", f"output_dir={tmp_path}")
    for function, count in [("write", 3), ("fsync", 2), ("replace", 2), ("write", 11), ("replace", 4)]:
        die_at(function, count, "resume", str(path))  # killed during a resume, each time further on
    for _ in range(8):
        process = start("resume", str(path))
        time.sleep(2.0 + chance.random())  # importing torch takes about this long
        process.kill()
        process.wait(timeout=30)
        process.stdout.close()
    if seqablate.load_run(path).status != "done":
        resume(path)
    assert_equals_the_unbroken_run(path, unbroken)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, 130),
        pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, 129, marks=pytest.mark.slow),
    ],
)
def test_a_signal_finishes_the_step_saves_and_can_be_resumed(number, code, tmp_path):
    words = [w for w in WORDS if not w.startswith("steps=")] + ["steps=100000", "schedule=constant"]
    process = start("train", *words, "name=run", f"output_dir={tmp_path}")
    path, deadline = tmp_path / "run", time.time() + 60
    while time.time() < deadline and not (path / "record.jsonl").exists():
        time.sleep(0.05)
    time.sleep(1.0)
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == code, output
    assert "seqablate resume" in output
    info = json.loads((path / "run.json").read_text())
    assert info["status"] == "interrupted"
    steps = [row.step for row in read_record(path).train]
    assert steps == list(range(info["step"]))
    assert read_record(path).commits[-1].step == info["step"]


@pytest.mark.slow
def test_a_hangup_that_is_ignored_and_a_log_that_cannot_be_written_stop_no_run(tmp_path):
    """As under ``nohup`` or ``disown``, on a terminal that was closed: every write to it fails."""
    code = (
        "import os, signal, sys, threading; signal.signal(signal.SIGHUP, signal.SIG_IGN); "
        "threading.Timer(3.0, os.kill, (os.getpid(), signal.SIGHUP)).start(); "
        "from seqablate.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    words = ["train", *WORDS, "name=run", f"output_dir={tmp_path}"]
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", code, *words], stdout=full, stderr=subprocess.PIPE, timeout=240)
    assert done.returncode == 0, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert seqablate.load_run(tmp_path / "run").status == "done"


@pytest.mark.slow
def test_a_record_that_is_deleted_under_a_run_fails_it_in_one_line(tmp_path):
    code = (
        "import sys\nfrom pathlib import Path\nfrom seqablate.training import session\nreal = session.save_checkpoint\n"
        "def save(folder, step, state):\n    (Path(sys.argv[-1]) / 'run/record.jsonl').unlink()\n"
        "    return real(folder, step, state)\n"
        "session.save_checkpoint = save\nfrom seqablate.cli import main\nsys.exit(main(sys.argv[1:-1]))"
    )
    words = ["train", *WORDS, "name=run", f"output_dir={tmp_path}", str(tmp_path)]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=240)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "record.jsonl was deleted" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("full", ["mkdir", "open"])
def test_a_disk_without_room_for_a_file_is_a_failure_of_the_run_and_leaves_nothing(full, tmp_path):
    """A disk without inodes: no folder can be made, or no record in it."""
    code = (
        "import errno, os, sys\nreal = getattr(os, sys.argv[1])\n"
        "def failing(path, *more, **named):\n"
        "    if str(path).endswith(('/run', 'record.jsonl')): raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))\n"
        "    return real(path, *more, **named)\n"
        "setattr(os, sys.argv[1], failing)\nfrom seqablate.cli import main\nsys.exit(main(sys.argv[2:]))"
    )
    words = [full, "train", *WORDS, "name=run", f"output_dir={tmp_path}"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=240)
    assert done.returncode == 1, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "No space left" in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_runs_killed_in_their_last_second_have_every_view_once_they_are_done():
    script = Path(__file__).parents[2] / "scripts" / "kill_at_the_end.py"
    done = subprocess.run([sys.executable, str(script), "--kills", "12"], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "12 equal" in done.stdout


@pytest.mark.slow
def test_two_processes_never_write_one_run(tmp_path):
    words = [w for w in WORDS if not w.startswith("steps=")] + ["steps=100000"]
    process = start("train", *words, "name=run", f"output_dir={tmp_path}")
    deadline = time.time() + 60
    while time.time() < deadline and not (tmp_path / "run" / "run.json").exists():
        time.sleep(0.05)
    try:
        assert seqablate.load_run(tmp_path / "run").status == "running"
        second = subprocess.run(
            [sys.executable, "-m", "seqablate", "resume", str(tmp_path / "run")],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert second.returncode == 2
        assert "another process" in second.stderr
    finally:
        process.kill()
        process.communicate(timeout=30)
    assert seqablate.load_run(tmp_path / "run").status == "killed"


@pytest.mark.slow
def test_a_full_disk_ends_the_run_with_one_line_and_keeps_what_was_recorded(tmp_path):
    limit = 60_000  # bytes a file may have: the record reaches them in the middle of the run
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit})); "
        "from seqablate.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    words = [w for w in WORDS if not w.startswith("steps=")] + ["steps=3000", "name=run", f"output_dir={tmp_path}"]
    done = subprocess.run([sys.executable, "-c", code, "train", *words], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "cannot write" in done.stderr
    record = read_record(tmp_path / "run")
    steps = [row.step for row in record.train]
    assert len(steps) > 50
    assert steps == list(range(len(steps)))
    assert seqablate.load_run(tmp_path / "run").status == "failed"
    assert os.path.getsize(tmp_path / "run" / "record.jsonl") <= limit


@pytest.mark.slow
def test_a_disk_that_is_full_from_the_start_leaves_no_half_made_folder(tmp_path):
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)); "  # config.yaml is longer
        "from seqablate.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    words = ["train", *WORDS, "name=run", f"output_dir={tmp_path}"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr.startswith("seqablate: cannot write")
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_damaged_newest_checkpoint_is_passed_over_with_a_warning(unbroken, tmp_path):
    die_at("replace", 9, "train", *WORDS, "name=run", f"output_dir={tmp_path}")
    commits = read_record(tmp_path / "run").commits
    newest = tmp_path / "run" / "checkpoints" / commits[-1].checkpoint
    newest.write_bytes(newest.read_bytes()[:-100])
    done = subprocess.run(
        [sys.executable, "-m", "seqablate", "resume", str(tmp_path / "run")], capture_output=True, text=True, timeout=60
    )
    assert f"{newest.name} is damaged" in done.stdout
    assert f"step {commits[-2].step}" in done.stdout
    assert_equals_the_unbroken_run(tmp_path / "run", unbroken)


@pytest.mark.slow
def test_a_text_that_has_changed_is_not_silently_resumed_on(tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("the cat sat on the mat and the dog sat on the log. " * 200)
    words = ["task=lm", f"task.corpus={text}", "task.bptt=8", "batch_size=4", "model.hidden_size=8", "steps=60"]
    words += ["eval.every=20", "checkpoint.every=10", "device=cpu", "name=run", f"output_dir={tmp_path}"]
    die_at("fsync", 6, "train", *words)
    before = text.read_text()
    text.write_text(before.replace("cat", "cow"))
    done = subprocess.run(
        [sys.executable, "-m", "seqablate", "resume", str(tmp_path / "run")], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "have changed" in done.stderr
    text.write_text(before)
    resume(tmp_path / "run")
    assert seqablate.load_run(tmp_path / "run").status == "done"
