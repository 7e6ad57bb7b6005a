"""How a run stands: what its folder says at the moment of asking."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path

import pytest
from recorded import info

from seqablate.record.files import replacing
from seqablate.sweep.folder import PlannedRun, SweepFolder
from seqablate.sweep.standing import standing_of

RUN = PlannedRun("seed=0", ["seed=0"], "0" * 64, {"seed": "0"})


@pytest.fixture
def folder(tmp_path) -> SweepFolder:
    (tmp_path / "seed=0").mkdir()
    return SweepFolder(tmp_path)


def write(folder: SweepFolder, **new) -> None:
    with replacing(folder.path / "seed=0" / "run.json") as file:
        file.write(json.dumps(info(**new)).encode())


def test_a_run_stands_as_its_folder_says_now_and_not_as_it_said_before(folder):
    assert standing_of(folder, RUN).standing == "pending"
    for status in ("interrupted", "failed", "diverged", "done", "interrupted"):
        write(folder, status=status)
        assert standing_of(folder, RUN).standing == status
        assert standing_of(folder, RUN).standing == status
    (folder.path / "seed=0" / "run.json").write_text("{")
    assert standing_of(folder, RUN).standing == "failed"
    write(folder, digest="1" * 64)
    assert "holds another run" in standing_of(folder, RUN).message


def test_a_run_is_running_as_long_as_somebody_writes_its_record_and_killed_from_then_on(folder):
    write(folder, status="running")
    record = Path(folder.path / "seed=0" / "record.jsonl")
    with record.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert standing_of(folder, RUN).standing == "running"
    assert standing_of(folder, RUN).standing == "killed"
    with record.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert standing_of(folder, RUN).standing == "running"
