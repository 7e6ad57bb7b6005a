"""The server that starts processes for a command that has no torch."""

from __future__ import annotations

import os
import subprocess
import sys
from multiprocessing import Pipe
from pathlib import Path

import pytest

from seqablate.errors import RunFailure, UsageError
from seqablate.launch.nursery import _send_answer, in_a_worker
from seqablate.launch.pool import MOST_RESTARTS, Pool
from seqablate.launch.screen import SweepScreen
from seqablate.record.sources import read_sources
from seqablate.sweep.folder import PlannedRun, Request, make_sweep
from seqablate.sweep.queue import Orders


def test_a_worker_is_born_with_everything_imported_that_its_first_run_needs():
    """Without it, every worker would import torch and numba by itself."""
    found = in_a_worker(eval, "set(__import__('sys').modules)")
    assert {"torch", "numba", "matplotlib.figure", "seqablate.training.run"} <= found


def test_a_worker_is_born_with_the_hashes_of_what_it_has_imported():
    """A file that is edited while workers are born does not compute their runs."""
    assert in_a_worker(_files_read) == []


def test_what_a_task_says_is_wrong_comes_back_as_an_error_and_so_does_the_death_of_its_process():
    with pytest.raises(UsageError, match="no such folder"):
        in_a_worker(_open, "missing")
    with pytest.raises(RunFailure, match="exit code -9"):
        in_a_worker(eval, "__import__('os').kill(__import__('os').getpid(), 9)")


@pytest.mark.slow
def test_a_temporary_folder_with_a_long_name_is_no_obstacle(tmp_path):
    """A socket's path has 107 letters at most, and multiprocessing makes its sockets in TMPDIR."""
    place = tmp_path / ("x" * 120)
    place.mkdir()
    code = "from seqablate.launch.nursery import in_a_worker; print(in_a_worker(eval, '6 * 7'))"
    before = set(Path("/tmp").glob("seqablate-*"))
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, env=os.environ | {"TMPDIR": str(place)}, capture_output=True, text=True, timeout=200)
    assert (done.returncode, done.stdout) == (0, "42\n"), done.stderr
    assert set(Path("/tmp").glob("seqablate-*")) == before


def _files_read() -> list[str]:
    """Source files that are read from now on, when all would be read again."""
    read = []
    sys.addaudithook(lambda event, arguments: read.append(str(arguments[0])) if event == "open" else None)
    read_sources()
    return [name for name in read if name.endswith(".py")]


def test_an_answer_for_a_process_that_was_killed_meanwhile_is_dropped():
    receive, send = Pipe(duplex=False)
    receive.close()
    _send_answer(send, lambda: "found", ())
    send.close()


def _open(name: str) -> None:
    from seqablate.sweep.folder import open_sweep

    open_sweep(name)


def test_workers_that_cannot_write_the_folder_are_replaced_a_few_times_and_not_for_ever(tmp_path):
    """Each tells why it ends; that is of no run, so it does not count as work that was begun."""
    folder = make_sweep(tmp_path)
    run = PlannedRun("seed=0", ["seed=0"], "0" * 64, {"seed": "0"})
    with folder.planning():
        folder.extend(Request(["seed=0"], "", ["seed=0"]), [run])
    folder.claims.write_text("no folder")
    screen = SweepScreen(quiet=True)
    told = []
    screen.event = told.append
    assert Pool(tmp_path, Orders(), 1, screen).run() == 0
    assert 1 < len([event for event in told if event.kind == "note"]) <= 1 + MOST_RESTARTS
