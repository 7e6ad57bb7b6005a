"""The record's only writer: appends, never rewrites, and holds a lock while it lives."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from seqablate.errors import RunFailure, UsageError
from seqablate.record.files import open_regular
from seqablate.record.rows import Row, encode

PATIENCE = 0.5  # seconds until a record's lock counts as taken


class RecordWriter:
    """Context manager around an append-only file of rows.

    Every append is one write to the kernel, so a killed process loses no row that was written; all is on
    the disk when :meth:`sync` returns.

    Entering changes nothing, so the record can be checked under the lock before anything is appended.

    Args:
        path: the record.
        new: make it, rather than go on with one that is there.

    Raises:
        UsageError: on entering, when another process is writing this record, or it cannot be opened.
        RunFailure: on any write that fails, such as on a full disk; what was written before stays.
    """

    def __init__(self, path: Path, *, new: bool = False) -> None:
        self.path = path
        self._flags = os.O_RDWR | os.O_APPEND | (os.O_CREAT | os.O_EXCL if new else 0)
        self._file = -1
        self._line_open = False  # whether a killed writer left its last line half-written

    def __enter__(self) -> RecordWriter:
        self._file = open_regular(self.path, self._flags)
        try:
            if os.fstat(self._file).st_nlink > 1:
                raise UsageError(f"{self.path} has a second name (a hard link): replace it by a copy")
            self._lock()
            self._line_open = self._is_torn()
        except UsageError:
            os.close(self._file)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self._file)  # which releases the lock

    def append(self, row: Row) -> None:
        """Append one row."""
        self._write(encode(row))

    def append_many(self, rows: Sequence[Row]) -> None:
        """Append rows in one write."""
        if rows:
            self._write(b"".join(map(encode, rows)))

    def sync(self) -> None:
        """Force what was appended to the disk; make sure that the file is still there."""
        try:
            os.fsync(self._file)
        except OSError as error:
            raise RunFailure(f"cannot write {self.path}: {error.strerror}") from error
        if os.fstat(self._file).st_nlink == 0:
            raise RunFailure(f"{self.path} was deleted while the run was writing it")

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
        if self._line_open:  # it must not swallow the next one
            data, self._line_open = b"\n" + data, False
        try:
            while data:
                data = data[os.write(self._file, data) :]
        except OSError as error:
            raise RunFailure(f"cannot write {self.path}: {error.strerror}") from error

    def _is_torn(self) -> bool:
        size = os.fstat(self._file).st_size
        return size > 0 and os.pread(self._file, 1, size - 1) != b"\n"


def being_written(path: Path) -> bool:
    """Whether some process holds the record's lock now."""
    try:
        file = open_regular(path)
    except UsageError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(file)
    return False
