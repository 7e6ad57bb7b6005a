"""The gate to the files of a run folder, which may come from a stranger.

What is read is a regular file of a bounded size: no link, no FIFO, no device. What is written takes its name when it is
complete, and a link that stands in the way is replaced, never followed. So nothing outside the folder is read, written
or deleted, and no read blocks.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from seqablate.errors import RunFailure, UsageError

SAFELY = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def open_regular(path: Path, flags: int = os.O_RDONLY) -> int:
    """A descriptor of a regular file (``flags`` as for :func:`os.open`).

    Raises:
        UsageError: there is none, it cannot be opened, or it is a link, a FIFO, a folder or a device.
    """
    try:
        file = os.open(path, flags | SAFELY, 0o644)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
            raise UsageError(f"{path} is not a regular file") from error
        what = "cannot read" if flags == os.O_RDONLY else "cannot write"
        raise UsageError(f"{what} {path}: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise UsageError(f"{path} is not a regular file")
    return file


def read_bytes(path: Path, limit: int) -> bytes:
    """The whole file (UsageError as :func:`open_regular`, and where it has more than ``limit`` bytes)."""
    with os.fdopen(open_regular(path), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            raise UsageError(f"{path} has {size} bytes; such a file has at most {limit}")
        try:
            return file.read(limit)
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror}") from error


def is_folder(path: Path) -> bool:
    """Whether ``path`` is a folder itself, and no link to one."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


def is_file(path: Path) -> bool:
    """Whether ``path`` is a regular file itself, and no link to one."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the name ``path`` when the block ends well, on the disk by then; otherwise nothing changes.

    Raises:
        RunFailure: the disk does not take it.
    """
    temporary = path.with_name(f".{path.name}")  # one name, so that killed writers leave one file at most
    try:
        temporary.unlink(missing_ok=True)
        with temporary.open("xb") as file:  # made new: a link would be an error
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise RunFailure(f"cannot write {path}: {error.strerror or error}") from error
        raise


def sync_folder(folder: Path) -> None:
    """fsync a folder, so that a rename inside it survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
