"""The record's only writer: appends, never rewrites, and holds a lock while it lives."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from seqablate.errors import RunFailure, UsageError
from seqablate.record.rows import encode

PATIENCE = 0.5  # seconds until a record's lock counts as taken


class RecordWriter:
    """Context manager around an append-only file of rows.

    Every append is one write to the kernel, so a killed process loses no row that was written; a commit is
    on the disk before :meth:`commit` returns.

    Raises:
        UsageError: on entering, when another process is writing this record, or it cannot be opened.
        RunFailure: on any write that fails, such as on a full disk; what was written before stays.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = -1

    def __enter__(self) -> RecordWriter:
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        except OSError as error:
            raise UsageError(f"cannot write {self.path}: {error.strerror}") from error
        try:
            self._lock()
            self._end_torn_line()
        except (UsageError, RunFailure):
            os.close(self._file)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self._file)  # which releases the lock

    def append(self, row: dict[str, Any]) -> None:
        """Append one row."""
        self._write(encode(row))

    def append_many(self, rows: list[dict[str, Any]]) -> None:
        """Append rows in one write."""
        if rows:
            self._write(b"".join(map(encode, rows)))

    def commit(self, step: int, checkpoint: str, sha256: str) -> None:
        """Record that a checkpoint is safe, and make sure of everything recorded so far."""
        self.append({"kind": "commit", "step": step, "checkpoint": checkpoint, "sha256": sha256})
        self.sync()

    def sync(self) -> None:
        """Force what was appended to the disk."""
        try:
            os.fsync(self._file)
        except OSError as error:
            raise RunFailure(f"cannot write {self.path}: {error.strerror}") from error

    def _lock(self) -> None:
        """Take the lock; one who only asks about it holds it for an instant, so a refusal is believed in the end."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except OSError as error:
                if time.monotonic() > deadline:
                    raise UsageError(f"{self.path.parent} is being written by another process") from error
            time.sleep(0.005)

    def _write(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self._file, data) :]
        except OSError as error:
            raise RunFailure(f"cannot write {self.path}: {error.strerror}") from error

    def _end_torn_line(self) -> None:
        """A line that a killed writer left half-written must not swallow the next one."""
        size = os.fstat(self._file).st_size
        if size and os.pread(self._file, 1, size - 1) != b"\n":
            self._write(b"\n")


def being_written(path: Path) -> bool:
    """Whether some process holds the record's lock now."""
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(file)
    return False
