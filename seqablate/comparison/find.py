"""From the paths on a command line to runs, damaged ones named and passed over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from seqablate.comparison.result import LeftOut
from seqablate.errors import UsageError
from seqablate.record.folder import folders_with_records
from seqablate.record.run import Run

STALE = ".stale"  # in the folder of a sweep


def find_runs(paths: Iterable[str | Path]) -> tuple[list[Run], list[LeftOut]]:
    """Open every run in ``paths``: run folders, or folders that hold them at any depth (a sweep, ``outputs``).

    Returns:
        The runs, each once, in the order of their folders; and every folder that could not be read.

    Raises:
        UsageError: a path does not exist, or there is no readable run in any of them. Files are passed over.
    """
    runs: dict[Path, Run] = {}
    complaints: list[LeftOut] = []
    for path in map(Path, paths):
        if path.is_file():  # `show outputs/*` meets the pictures of an earlier one
            continue
        if not path.is_dir():
            raise UsageError(f"{path}: no such folder")
        folders = [path] if (path / "record.jsonl").is_file() else folders_with_records(path)
        for folder in folders:
            try:
                runs.setdefault(folder.resolve(), _whole(Run(folder)))
            except UsageError as error:
                complaints.append(LeftOut(path=str(folder), why=str(error)))
    if not runs:
        raise UsageError(
            "; ".join(one.why for one in complaints)
            or f"no run in {', '.join(map(str, paths))}: a run folder has a record.jsonl"
        )
    return list(runs.values()), complaints


def without_runs(paths: Iterable[str | Path]) -> list[LeftOut]:
    """What else lies in folders of runs: folders without a run, and runs that a sweep has put aside."""
    found = []
    for path in map(Path, paths):
        if not path.is_dir() or (path / "record.jsonl").exists():
            continue
        for folder in sorted(each for each in path.iterdir() if each.is_dir()):
            if folder.name == STALE:
                found += [
                    LeftOut(path=str(run), why="put aside: other code has computed it") for run in _runs_in(folder)
                ]
            elif not folder.name.startswith(".") and not _runs_in(folder):
                found.append(LeftOut(path=str(folder), why="no run: a run folder has a record.jsonl"))
    return found


def _runs_in(folder: Path) -> list[Path]:
    return [folder] if (folder / "record.jsonl").exists() else folders_with_records(folder)


def with_records(runs: Sequence[Run]) -> tuple[list[Run], list[str]]:
    """The runs whose signals can be read, and a line for each of the others.

    Raises:
        UsageError: none can.
    """
    readable, complaints = [], []
    for run in runs:
        try:
            run.record.signals  # noqa: B018  (read now, and kept: it says what is wrong)
            readable.append(run)
        except UsageError as error:
            complaints.append(str(error))
    if complaints and not readable:
        raise UsageError("; ".join(complaints))
    return readable, complaints


def _whole(run: Run) -> Run:
    """The run, when everything that a table needs can be read (UsageError otherwise)."""
    run.config  # noqa: B018  (read now: it says what is wrong with it)
    return run
