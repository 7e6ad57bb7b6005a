"""One claim file: what is in it, and how it is made and read. Imports no torch; see :mod:`seqablate.sweep.claims`."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import uuid
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from seqablate.errors import RunFailure, UsageError
from seqablate.record.files import SAFELY, is_file, open_regular
from seqablate.shape import Misfit, fitting

LARGEST = 1 << 14  # bytes that are read of a claim file
LONGEST = 200  # bytes of a run's name in a file name, which has at most 255
LINKLESS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


@dataclass(frozen=True)
class Owner:
    """The first line of a claim file.

    Attributes:
        run: its name.
        worker: what the owner calls itself.
        host: its machine's name.
        boot: the same for all processes that can see each other's locks.
        pid: its process.
        at: when it made the claim, in seconds since 1970 by its own clock.
        lease: after this many seconds without a renewal the owner counts as dead on other machines.
    """

    run: str
    worker: str
    host: str
    boot: str
    pid: int
    at: float
    lease: float


@dataclass(frozen=True)
class Release:
    """The second line of a claim file: when the owner released the run, by its own clock, and as what."""

    released: float
    status: str


@dataclass(frozen=True)
class Seen:
    """A claim file as it was at one moment."""

    owner: Owner | None
    release: Release | None
    locked: bool
    renewed: int  # nanoseconds


@dataclass(frozen=True)
class Holder:
    """Who has a run that is not released; ``alive`` is false where the owner has died."""

    worker: str
    alive: bool


@dataclass(frozen=True)
class ClaimRecord:
    """One claim in the log. ``owner`` is None where the file tells nothing, ``release`` where there was none.

    ``renewed``: the last renewal (or the release), in seconds since 1970 by the file server's clock.
    """

    run: str
    generation: int
    owner: Owner | None
    release: Release | None
    renewed: float


def make(path: Path, owner: Owner) -> int | None:
    """Make a claim file: the locked descriptor, or None where its name exists.

    Raises:
        RunFailure: the folder cannot be written.
    """
    draft = path.with_name(f".{uuid.uuid4().hex}")
    try:
        path.parent.mkdir(exist_ok=True)
        file = os.open(draft, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | SAFELY, 0o644)
        try:
            return file if _publish(file, draft, path, owner) else None
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise RunFailure(f"cannot write {path.parent}: {error.strerror}") from error


def _publish(file: int, draft: Path, path: Path, owner: Owner) -> bool:
    """Lock and fill a new file, then give it its name; false, and the file closed, where the name exists."""
    made = False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        write(file, owner)
        os.fsync(file)
        made = _name(file, draft, path)
    finally:
        if not made:
            os.close(file)
    return made


def _name(file: int, draft: Path, path: Path) -> bool:
    """Whether the file got its name, which it gets only where nothing else has it."""
    try:
        os.link(draft, path)
    except FileExistsError:  # which a network file system may also say after an answer was lost on the way
        return os.path.samestat(path.lstat(), os.fstat(file))
    except OSError as error:
        if error.errno not in LINKLESS:
            raise
        return _name_without_links(draft, path)
    return True


def _name_without_links(draft: Path, path: Path) -> bool:
    """On a file system without hard links: the name is reserved by an empty file, which counts as alive for a lease."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | SAFELY, 0o644))
    except FileExistsError:
        return False
    draft.rename(path)
    return True


def read(path: Path) -> Seen:
    """A claim file as it is now; what is no regular file has no owner, and no age at which it would count as alive.

    Raises:
        UsageError: it cannot be read, so whether its owner is alive is unknown.
    """
    try:
        file = open_regular(path)
    except UsageError:
        if is_file(path):
            raise
        return Seen(None, None, locked=False, renewed=0)
    try:
        locked = _is_locked(file)  # before reading: an owner writes that it releases, then frees the lock
        lines = os.read(file, LARGEST).split(b"\n")
        renewed = os.fstat(file).st_mtime_ns
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    finally:
        os.close(file)
    release = _parsed(lines[1], Release) if len(lines) > 1 else None
    return Seen(_parsed(lines[0], Owner), release, locked, renewed)


def _is_locked(file: int) -> bool:
    """Whether somebody holds the lock; a shared one is tried, so that two who ask do not take each other for owners."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _parsed(line: bytes, declared: type) -> Any:
    """A line as an instance of a dataclass; None where it is damaged or not complete."""
    try:
        return fitting(json.loads(line), declared)
    except (Misfit, ValueError, RecursionError):
        return None


def write(file: int, content: Owner | Release) -> None:
    data = json.dumps(asdict(content)).encode() + b"\n"
    while data:
        data = data[os.write(file, data) :]


def stem_of(name: str) -> str:
    """How a run is called in file names: by its name if that can be part of one, else by a hash."""
    encoded = name.encode(errors="surrogatepass")
    plain = name.isprintable() and "/" not in name and name[:1] != "." and 0 < len(encoded) <= LONGEST
    return name if plain else hashlib.sha256(encoded).hexdigest()


@cache
def boot_id() -> str:
    """The same for all processes of one running machine, and for no others."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return f"{uuid.getnode():012x}"
