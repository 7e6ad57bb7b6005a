"""The run folder: made exclusively, never reused."""

from __future__ import annotations

import errno
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqablate.config.flat import differing_keys
from seqablate.errors import RunFailure, UsageError, printable
from seqablate.record.files import is_file, replacing
from seqablate.record.plain_yaml import read_yaml
from seqablate.record.reader import Record, read_record
from seqablate.record.rows import strict

MOST_NAMED = 8  # keys in one message
FULL = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EIO,
    errno.EMFILE,
    errno.ENFILE,
)  # failures of the machine, not of the request


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where the parts of a run are."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def record(self) -> Path:
        return self.path / "record.jsonl"

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    def write_config(self, plain: dict[str, Any]) -> None:
        """Write the resolved config (RunFailure if the disk does not take it)."""
        import yaml

        with replacing(self.config) as file:
            file.write(yaml.safe_dump(plain, sort_keys=False).encode())

    def read_config(self, record: Record | None = None) -> dict[str, Any]:
        """The resolved config as plain data, as it was when the run began.

        Args:
            record: this folder's, where it has been read already.

        Raises:
            UsageError: missing, damaged, or edited since: the message names the keys that differ.
        """
        found, recorded = read_yaml(self.config), (record or read_record(self.path)).header.config
        if json.dumps(strict(found)) == json.dumps(recorded):  # quickly, and nearly always
            return found
        if keys := differing_keys(strict(found), recorded):
            some = ", ".join(map(printable, keys[:MOST_NAMED])) + (", ..." if len(keys) > MOST_NAMED else "")
            raise UsageError(
                f"{self.config} was edited after the run began; different in the record: {some}; "
                "restore the old values, or start a new run"
            )
        return found


def create_folder(parent: Path, name: str) -> Path:
    """A new folder ``name``, or ``name-2``, ``name-3``, ... where that is taken; never one that was there before.

    Raises:
        UsageError: ``parent`` cannot be made or written.
    """
    path, number = parent / name, 1
    try:
        parent.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                path.mkdir()
                return path
            except FileExistsError:
                number += 1
                path = parent / f"{name}-{number}"
    except OSError as error:
        raise _cannot_make(path, error) from error


def ensure_folder(path: Path) -> None:
    """The folder ``path``, which may be there, or be made by somebody else at the same time.

    Raises:
        UsageError: it cannot be made, or something else has its name.
        RunFailure: the disk does not take it.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_make(path, error) from error


def _cannot_make(path: Path, error: OSError) -> UsageError | RunFailure:
    if error.errno in FULL:
        return RunFailure(f"cannot make a folder in {path.parent}: {error.strerror}")
    return UsageError(f"cannot make a folder in {path.parent}: {error.strerror}; choose another output_dir")


def create_run_folder(parent: Path, name: str) -> RunFolder:
    """A new run folder (UsageError and RunFailure as :func:`create_folder`)."""
    folder = RunFolder(create_folder(parent, name))
    try:
        folder.checkpoints.mkdir()
    except OSError as error:
        with suppress(OSError):
            folder.path.rmdir()
        raise RunFailure(f"cannot make {folder.checkpoints}: {error.strerror}") from error
    return folder


def open_run_folder(path: str | Path) -> RunFolder:
    """A folder that holds a record (UsageError otherwise)."""
    folder = RunFolder(Path(path))
    if not os.path.lexists(folder.record):
        if is_file(folder.config):
            raise UsageError(f"{path} has no record.jsonl: nothing was recorded in it; start the run again")
        raise UsageError(f"{path} is not a run folder: it has no record.jsonl")
    if not is_file(folder.record):
        raise UsageError(f"{folder.record} is not a regular file")
    return folder


def find_run_folders(path: str | Path) -> list[RunFolder]:
    """The run folder ``path``, or all that it holds at any depth; links are not followed on the way down.

    Raises:
        UsageError: no such folder, or no run in it.
    """
    path = Path(path)
    if not path.is_dir():
        raise UsageError(f"{printable(str(path))}: no such folder")
    if os.path.lexists(path / "record.jsonl"):
        return [open_run_folder(path)]
    found = folders_with_records(path)
    if not found:
        raise UsageError(f"no run in {path}: a run folder has a record.jsonl")
    return [RunFolder(parent) for parent in found]


def folders_with_records(path: Path) -> list[Path]:
    """The folders below ``path`` that hold a record, be it damaged; not hidden ones, where a sweep puts stale runs."""
    found = []
    for parent, folders, files in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith(".")]
        if "record.jsonl" in (*folders, *files):
            found.append(Path(parent))
    return sorted(found)
