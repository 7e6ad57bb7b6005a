"""``seqablate tensorboard``: what is served, and that nothing beside the runs becomes part of the program."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from seqablate.cli import tensorboard
from seqablate.errors import UsageError

EVENTS = "events.out.tfevents.1.seqablate"


def test_nothing_is_imported_from_the_current_folder(tmp_path):
    """The start of TensorBoard imports numpy and its own plugins; the current folder has others of the same names."""
    (tmp_path / "tensorboard").mkdir()
    for name in ("numpy.py", "absl.py", "tensorboard/__init__.py", "tensorboard/main.py"):
        (tmp_path / name).write_text("open('EXECUTED', 'w'); raise SystemExit(7)")
    done = subprocess.run(
        [*tensorboard.PROGRAM, "--version"], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout[0].isdigit()
    assert not (tmp_path / "EXECUTED").exists()


def test_runs_are_counted_by_their_folders(tmp_path):
    for name in ("a", "b", "b/c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / EVENTS).touch()
    (tmp_path / "a" / "events.out.tfevents.2.mine").touch()
    assert tensorboard.count_runs(tmp_path) == 3


def test_more_runs_than_tensorboard_selects_bring_a_hint(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tensorboard.os, "execv", lambda *words: None)
    for number in range(41):
        folder = Path(tmp_path, str(number))
        folder.mkdir()
        (folder / EVENTS).touch()
    tensorboard.main([str(tmp_path), "--port", "0"])
    assert capsys.readouterr().out.startswith("41 runs: TensorBoard selects none")
    (tmp_path / "0" / EVENTS).unlink()
    tensorboard.main([str(tmp_path), "--port", "0"])
    assert capsys.readouterr().out == ""


def test_a_folder_without_runs_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no run in it"):
        tensorboard.count_runs(tmp_path)
