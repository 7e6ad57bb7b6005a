"""From the paths on a command line to runs, damaged ones named and passed over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from seqablate.errors import UsageError
from seqablate.record.folder import folders_with_records
from seqablate.record.run import Run


def find_runs(paths: Iterable[str | Path]) -> tuple[list[Run], list[str]]:
    """Open every run in ``paths``: run folders, or folders that hold them at any depth (a sweep, ``outputs``).

    Returns:
        The runs, each once, in the order of their folders; and a line for every folder that could not be read.

    Raises:
        UsageError: a path does not exist, or there is no readable run in any of them. Files are passed over.
    """
    runs: dict[Path, Run] = {}
    complaints = []
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
                complaints.append(str(error))
    if not runs:
        raise UsageError(
            "; ".join(complaints) or f"no run in {', '.join(map(str, paths))}: a run folder has a record.jsonl"
        )
    return list(runs.values()), complaints


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
