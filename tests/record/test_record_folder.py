"""Run folders are made exclusively, by real processes at once."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from recorded import header, raw

from seqablate.errors import UsageError
from seqablate.record.folder import RunFolder, create_folder, create_run_folder, open_run_folder
from seqablate.record.writer import RecordWriter

MAKE = """
import sys, time
from pathlib import Path
from seqablate.record.folder import create_run_folder
parent, moment = Path(sys.argv[1]), float(sys.argv[2])
time.sleep(max(0.0, moment - time.time()))
print(create_run_folder(parent, "run").path)
"""


def test_thirty_processes_that_want_one_name_at_once_get_a_folder_each(tmp_path):
    words = [sys.executable, "-c", MAKE, str(tmp_path / "out"), str(time.time() + 3)]
    started = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(30)]
    with ThreadPoolExecutor(30) as pool:
        paths = list(pool.map(lambda process: process.communicate(timeout=60)[0].strip(), started))
    assert sorted(paths) == sorted(
        str(tmp_path / "out" / name) for name in ["run", *(f"run-{n}" for n in range(2, 31))]
    )
    assert all((tmp_path / "out" / path / "checkpoints").is_dir() for path in paths)


def test_a_folder_that_is_there_is_never_reused_nor_touched(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine").write_text("mine")
    (tmp_path / "run-2").write_text("a file")
    assert create_folder(tmp_path, "run").name == "run-3"
    assert (tmp_path / "run" / "mine").read_text() == "mine"
    assert (tmp_path / "run-2").read_text() == "a file"


@pytest.mark.parametrize("inside", ["file", "file/deeper/still"])
def test_an_output_folder_that_cannot_be_made_is_a_usage_error_and_leaves_nothing(inside, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError, match="choose another output_dir"):
        create_run_folder(tmp_path / inside, "run")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_folder_without_a_record_is_not_a_run(tmp_path):
    with pytest.raises(UsageError, match="not a run folder"):
        open_run_folder(tmp_path)


def test_the_config_comes_back_as_it_was_written(tmp_path):
    config = {"seed": 3, "optim": {"name": "adam", "lr": 1e-5, "betas": [0.9, 0.999]}, "name": None, "quiet": True}
    RunFolder(tmp_path).write_config(config)
    with RecordWriter(tmp_path / "record.jsonl", new=True) as writer:
        writer.append(raw(header(config=config)))
    read = RunFolder(tmp_path).read_config()
    assert read == config
    assert list(read) == list(config)
