"""The record under real processes: killed in the middle of writes, two at once, out of disk; and what a reader sees."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from recorded import as_json, commit_row, eval_row, header, raw, resume_row, train_row

from seqablate.errors import UsageError
from seqablate.record.reader import read_record
from seqablate.record.rows import ResumeRow
from seqablate.record.writer import RecordWriter, being_written

# Appends rows until it is killed: singly, in groups of 7, and long ones, which the kernel takes in several pieces.
APPENDING = """
import sys
from pathlib import Path
from seqablate.record.rows import ForeignRow
from seqablate.record.writer import RecordWriter
new = not Path(sys.argv[1]).exists()
with RecordWriter(Path(sys.argv[1]), new=new) as writer:
    step = int(sys.argv[2])
    if new:
        writer.append(ForeignRow("header", eval(sys.argv[3])))
    print("ready", flush=True)
    while True:
        writer.append(ForeignRow("note", {"step": step, "loss": 0.5}))
        writer.append_many([ForeignRow("note", {"step": step + n, "loss": 0.5}) for n in range(1, 8)])
        writer.append(ForeignRow("note", {"step": step + 8, "values": [0.123456789] * 20000}))
        step += 9
"""
# Kills itself half-way through the n-th write.
TEARING = """
import os, signal, sys
real, left = os.write, int(sys.argv[4])
def tearing(file, data):
    global left
    left -= 1
    if left == 0:
        real(file, data[: len(data) // 2])
        os.kill(os.getpid(), signal.SIGKILL)
    return real(file, data)
os.write = tearing
"""
# A file may have so many bytes and no more: what a full disk looks like to the writer.
LIMITED = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
"""


def start(code: str, path: Path, step: int = 0, *more: object) -> subprocess.Popen:
    words = [sys.executable, "-c", code, str(path), str(step), repr(raw(HEADER).values), *map(str, more)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def write(path: Path, *rows: dict[str, Any]) -> None:
    with RecordWriter(path, new=not path.exists()) as writer:
        writer.append_many([raw(row) for row in rows])


def train(*steps: int, attempt: int = 0) -> list[dict[str, Any]]:
    return [train_row(step, lr=float(attempt)) for step in steps]


def note(step: int) -> dict[str, Any]:
    return {"kind": "note", "step": step}


def noted(path: Path) -> list[int]:
    return [row.values["step"] for row in read_record(path.parent).rows("note") if row.kind == "note"]


HEADER = header()


@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.05, 0.2])
def test_a_writer_killed_at_any_moment_leaves_whole_rows_without_a_gap(seconds, tmp_path):
    path = tmp_path / "record.jsonl"
    for _ in range(2):
        before = len(noted(path)) if path.exists() else 0
        process = start(APPENDING, path, before)
        assert process.stdout.readline() == "ready\n"
        time.sleep(seconds)
        process.kill()
        process.communicate(timeout=30)
        steps = noted(path)
        assert steps == list(range(len(steps)))
        assert len(steps) >= before


@pytest.mark.parametrize("count", [2, 3, 4, 12])
def test_a_torn_row_is_ignored_and_the_next_writer_starts_on_a_new_line(count, tmp_path):
    path = tmp_path / "record.jsonl"
    process = start(TEARING + APPENDING, path, 0, count)
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL
    assert not path.read_bytes().endswith(b"\n")
    before = path.read_bytes()
    whole = noted(path)
    assert whole == list(range(len(whole)))
    with RecordWriter(path):
        assert path.read_bytes() == before  # entering changes nothing
    write(path, note(len(whole)))
    assert noted(path) == list(range(len(whole) + 1))
    assert path.read_bytes().endswith(b"\n")


def test_only_one_process_writes_a_record_and_readers_can_tell(tmp_path):
    path = tmp_path / "record.jsonl"
    assert not being_written(path)
    process = start(APPENDING, path, 0)
    try:
        assert process.stdout.readline() == "ready\n"
        assert being_written(path)
        with pytest.raises(UsageError, match="another process"), RecordWriter(path):
            pass
        assert process.poll() is None
        assert being_written(path)
    finally:
        process.kill()
        process.communicate(timeout=30)
    assert not being_written(path)
    write(path, *train(0))


def test_asking_whether_a_record_is_written_never_keeps_a_writer_out(tmp_path):
    path = tmp_path / "record.jsonl"
    path.touch()
    asking = start(
        "import sys\nfrom pathlib import Path\nfrom seqablate.record.writer import being_written\n"
        "print('ready', flush=True)\nwhile True: being_written(Path(sys.argv[1]))",
        path,
    )
    try:
        assert asking.stdout.readline() == "ready\n"
        for _ in range(300):
            write(path, *train(0))
    finally:
        asking.kill()
        asking.communicate(timeout=30)


def test_a_record_that_cannot_be_opened_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="cannot write"), RecordWriter(tmp_path / "missing" / "record.jsonl"):
        pass


def test_what_was_appended_is_on_the_disk_when_sync_returns(tmp_path, monkeypatch):
    path, calls, real = tmp_path / "record.jsonl", [], os.fsync

    def watching(file: int) -> None:
        calls.append(path.read_bytes())
        real(file)

    monkeypatch.setattr(os, "fsync", watching)
    with RecordWriter(path, new=True) as writer:
        writer.append_many([raw(row) for row in (HEADER, *train(0, 1))])
        assert calls == []
        writer.append(raw(commit_row(2)))
        writer.sync()
        assert len(calls) == 1
        on_disk = [json.loads(line) for line in calls[0].splitlines()]
        assert [row["kind"] for row in on_disk] == ["header", "train", "train", "commit"]
        assert on_disk[-1] == commit_row(2)


def test_a_full_disk_is_a_run_failure_and_keeps_every_earlier_row(tmp_path):
    path = tmp_path / "record.jsonl"
    process = start(LIMITED + APPENDING.replace("20000", "20"), path, 0)
    _, complaint = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "RunFailure: cannot write" in complaint.splitlines()[-1]
    assert path.stat().st_size == 20_000
    steps = noted(path)
    assert len(steps) > 100
    assert steps == list(range(len(steps)))
    write(path, note(len(steps)))
    assert noted(path) == list(range(len(steps) + 1))


def test_a_disk_still_full_when_a_run_is_taken_up_again_is_a_run_failure_that_keeps_no_lock(tmp_path):
    path = tmp_path / "record.jsonl"
    path.write_bytes(b"x" * 20_000)
    code = LIMITED + (
        "import sys\nfrom pathlib import Path\nfrom seqablate.errors import RunFailure\n"
        "from seqablate.record.rows import ForeignRow\n"
        "from seqablate.record.writer import RecordWriter, being_written\n"
        "try:\n    with RecordWriter(Path(sys.argv[1])) as writer:\n        writer.append(ForeignRow('note', {}))\n"
        "except RunFailure:\n    print(being_written(Path(sys.argv[1])))"
    )
    output, complaint = start(code, path).communicate(timeout=30)
    assert output == "False\n", complaint


def attempts(path: Path) -> list[tuple[int, int]]:
    return [(row.step, int(row.lr)) for row in read_record(path.parent).train]


def test_a_resumption_supersedes_the_rows_after_its_commit_by_position(tmp_path):
    path = tmp_path / "record.jsonl"
    evaluation = eval_row(2)
    write(path, HEADER, *train(0, 1), evaluation, commit_row(2), *train(2, 3, 4))
    assert len(attempts(path)) == 5
    write(path, resume_row(2), *train(2, 3, attempt=1))
    assert attempts(path) == [(0, 0), (1, 0), (2, 1), (3, 1)]
    [found] = read_record(tmp_path).evals  # measured at step 2, before the commit: it stays
    assert as_json(found) == evaluation
    write(path, resume_row(2), *train(2, attempt=2), commit_row(3))
    assert attempts(path) == [(0, 0), (1, 0), (2, 2)]
    assert len(read_record(tmp_path).of(ResumeRow)) == 1
    write(path, resume_row(3), *train(3, attempt=3))
    assert attempts(path) == [(0, 0), (1, 0), (2, 2), (3, 3)]
    write(path, resume_row(2), *train(2, attempt=4))  # the newer checkpoint was damaged
    assert attempts(path) == [(0, 0), (1, 0), (2, 4)]
    assert [row.step for row in read_record(tmp_path).commits] == [2]


def test_a_resumption_without_a_commit_begins_again_and_keeps_the_header(tmp_path):
    path = tmp_path / "record.jsonl"
    write(path, HEADER, *train(0, 1, 2))
    for attempt in (1, 2):
        write(path, resume_row(None), *train(0, 1, attempt=attempt))
        assert attempts(path) == [(0, attempt), (1, attempt)]
    assert as_json(read_record(tmp_path).header) == HEADER


def test_a_resumption_from_nothing_keeps_nothing_even_of_a_commit_at_step_0_whose_checkpoint_was_damaged(tmp_path):
    path = tmp_path / "record.jsonl"
    write(path, HEADER, eval_row(0), commit_row(0), *train(0))
    write(path, resume_row(None), eval_row(0))
    assert len(read_record(tmp_path).evals) == 1


def test_a_resumption_goes_back_to_the_last_of_two_commits_of_one_step(tmp_path):
    path = tmp_path / "record.jsonl"
    write(path, HEADER, *train(0, 1), commit_row(2), *train(2), commit_row(2, bytes=2), *train(3))
    write(path, resume_row(2))
    assert [row.bytes for row in read_record(tmp_path).commits] == [1, 2]
    assert attempts(path) == [(0, 0), (1, 0), (2, 0)]


def test_a_record_of_another_version_is_refused(tmp_path):
    write(tmp_path / "record.jsonl", {"kind": "header", "version": 9, "of": "the future"}, {"kind": "resume"})
    with pytest.raises(UsageError, match="of record version 9; this seqablate reads version 7"):
        read_record(tmp_path).check()


def test_rows_of_kinds_unknown_here_are_kept(tmp_path):
    row = {"kind": "spectrum", "step": 3, "values": [1.0, 2.0]}
    write(tmp_path / "record.jsonl", HEADER, row, *train(0))
    assert list(read_record(tmp_path).rows("spectrum"))[1] == raw(row)


def test_a_missing_record_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="cannot read"):
        read_record(tmp_path).check()
