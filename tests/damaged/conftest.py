"""One finished run, one that was killed, another run; and what every damaged copy of them must do.

Links and paths of a damage lead to decoys beside the run folder, never to a file of the system.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

import seqablate
from seqablate.cli import main

TINY = [
    "steps=60", "eval.every=20", "eval.size=20", "checkpoint.every=20", "probe.every=10", "batch_size=4",
    "model.hidden_size=8", "task.length=10", "stop_when_solved=false", "device=cpu",
]  # fmt: skip
SECRET = "TOPSECRET123"


class Folder:
    """A copy of a run to damage, and the decoys beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.record = path / "record.jsonl"
        self.info = path / "run.json"
        self.config = path / "config.yaml"
        self.checkpoints = path / "checkpoints"
        self.events = next(path.glob("events.out*"))
        self.last = sorted(self.checkpoints.glob("*.pt"))[-1]
        self.other = path.parent / "other"
        self.outside = path.parent / "outside"
        shutil.rmtree(self.outside, ignore_errors=True)
        self.outside.mkdir()
        (self.outside / "victim.txt").write_text("VICTIM\n")

    def insert(self, row: str, at: int = -3) -> None:
        """A line into the record."""
        rows = self.record.read_bytes().splitlines(keepends=True)
        rows.insert(at % len(rows), row.encode() + b"\n")
        self.record.write_bytes(b"".join(rows))

    def set(self, **values: Any) -> None:
        """Values of run.json."""
        self.info.write_text(json.dumps(json.loads(self.info.read_text()) | values))

    def drop(self, key: str) -> None:
        """Take a key out of run.json."""
        info = json.loads(self.info.read_text())
        del info[key]
        self.info.write_text(json.dumps(info))

    def metric(self, **values: Any) -> None:
        self.set(metric=json.loads(self.info.read_text())["metric"] | values)

    def edit(self, old: str, new: str) -> None:
        """Text of config.yaml."""
        text = self.config.read_text()
        assert old in text
        self.config.write_text(text.replace(old, new, 1))

    def recommit(self, step: int | None = None, **values: Any) -> None:
        """What the commit rows (of one step) say."""
        rows = [json.loads(line) for line in self.record.read_bytes().splitlines()]
        for row in rows:
            if row["kind"] == "commit" and step in (None, row["step"]):
                row.update(values)
        self.record.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def forge(self, write: Callable[[Path], object]) -> None:
        """A newest checkpoint, of step 40, that the record vouches for."""
        file = self.checkpoints / "step_00000040.pt"
        write(file)
        data = file.read_bytes()
        self.recommit(40, sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
        (self.checkpoints / "step_00000060.pt").unlink(missing_ok=True)

    def change(self, change: Callable[[dict], object]) -> None:
        """The same from the true checkpoint, changed."""

        def write(file: Path) -> None:
            state = torch.load(file, weights_only=True)
            change(state)
            torch.save(state, file)

        self.forge(write)

    def link(self, name: str, to: str) -> None:
        """Put a link in the place of a file or a folder."""
        path = self.path / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        path.symlink_to(to)


def contents(path: Path) -> dict[str, Any]:
    """Every file of a folder, as it is now; of large ones the size."""
    found: dict[str, Any] = {}
    for file in sorted(path.rglob("*")):
        status = file.lstat()
        if not stat.S_ISREG(status.st_mode):
            found[str(file.relative_to(path))] = status.st_mode
        else:
            small = status.st_size < 10_000_000
            found[str(file.relative_to(path))] = file.read_bytes() if small else status.st_size
    return found


@dataclass
class Outcome:
    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err

    def is_harmless(self) -> None:
        """No traceback, no terminal escapes, no secret."""
        assert "Traceback" not in self.text
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", self.text)
        assert SECRET not in self.text

    def is_one_line(self, *names: str) -> None:
        assert self.code == 2, self.text
        lines = self.err.splitlines()
        assert len(lines) == 1, lines
        assert lines[0].startswith("seqablate: ")
        for name in names:
            assert name in lines[0]


@pytest.fixture(scope="session")
def originals(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("originals")
    seqablate.train([*TINY, "name=good", f"output_dir={folder}"])
    seqablate.train([*TINY, "name=other", "seed=1", "model.hidden_size=12", f"output_dir={folder}"])
    half = Path(shutil.copytree(folder / "good", folder / "half"))  # as after a kill, a little behind a commit
    lines = (half / "record.jsonl").read_bytes().splitlines(keepends=True)
    cut = max(n for n, line in enumerate(lines) if b'"commit"' in line and b"00000040" in line)
    (half / "record.jsonl").write_bytes(b"".join(lines[: cut + 5]))
    info = json.loads((half / "run.json").read_text()) | {"status": "running", "step": 40}
    (half / "run.json").write_text(json.dumps(info))
    (half / "checkpoints/step_00000060.pt").unlink()
    (half / "signals.parquet").unlink()
    return folder


@pytest.fixture
def copy(originals, tmp_path, monkeypatch):
    """copy("good") -> a Folder to damage."""
    monkeypatch.setenv("SECRET", SECRET)
    shutil.copytree(originals / "other", tmp_path / "other")
    return lambda name: Folder(Path(shutil.copytree(originals / name, tmp_path / f"{name}-x")))


@pytest.fixture
def run(capsys):
    """run("show", path) -> Outcome."""

    def command(*words: object) -> Outcome:
        capsys.readouterr()
        code = main([str(word) for word in words])
        found = capsys.readouterr()
        outcome = Outcome(code, found.out, found.err)
        outcome.is_harmless()
        return outcome

    return command


@pytest.fixture
def refused(copy, run):
    """refused(damage, names): every command and Python say it in one line, and nothing changes anywhere."""

    def check(damage: Callable[[Folder], object], *names: str, show: bool = True, python: bool = True) -> None:
        half = copy("half")
        damage(half)
        _unchanged(half, lambda: run("resume", half.path).is_one_line(*names))
        if show:
            good = copy("good")
            damage(good)
            _unchanged(good, lambda: run("show", good.path, "--out", good.path.parent / "pictures").is_one_line(*names))
            if python:
                _unchanged(good, lambda: _python(good.path, names))

    return check


def _unchanged(folder: Folder, act: Callable[[], object]) -> None:
    before = contents(folder.path), contents(folder.outside)
    act()
    assert (contents(folder.path), contents(folder.outside)) == before


def _python(path: Path, names: tuple[str, ...]) -> None:
    """Whatever is asked of a run, the answer is right or the same line."""
    refusals = []
    try:
        run = seqablate.load_run(path)
    except seqablate.UsageError as error:
        refusals.append(str(error))
    else:
        for ask in (lambda: run.config, lambda: run.metrics, lambda: run.signals, run.load_model):
            try:
                ask()
            except seqablate.UsageError as error:
                refusals.append(str(error))
    assert refusals
    for line in refusals:
        assert len(line.splitlines()) == 1
        assert line.isprintable()
        assert all(name in line for name in names)
        assert SECRET not in line


@pytest.fixture
def resumed(copy, run):
    """resumed(damage, *words): the run ends as done, its output says the words, nothing outside changes."""

    def check(damage: Callable[[Folder], object], *words: str) -> Folder:
        half = copy("half")
        damage(half)
        outside = contents(half.outside)
        outcome = run("resume", half.path)
        assert outcome.code == 0, outcome.text
        for word in words:
            assert word in outcome.text
        assert contents(half.outside) == outside
        assert seqablate.load_run(half.path).status == "done"
        return half

    return check


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)
