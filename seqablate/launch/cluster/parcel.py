"""A run folder as bytes, and back: for machines that share no disk.

The archive is plain: one line of JSON with the path, size and SHA-256 of every file, then their contents in that order.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from seqablate.errors import RunFailure, UsageError
from seqablate.launch.cluster.own import own_folder
from seqablate.record.files import is_file, is_folder, read_bytes, replacing, sync_folder
from seqablate.record.info import read_info
from seqablate.record.schema import FINISHED, Hash
from seqablate.shape import By, Misfit, Step, fitting, one_of

VERSION = 1
DEEPEST = 4  # names in a path
ARRIVING = ".arriving"  # in the sweep folder: runs that are not whole yet


def _inside(value: Any) -> str:
    """A path to a place inside of a folder, written plainly."""
    parts = value.split("/") if type(value) is str and value.isprintable() else []
    if not 0 < len(parts) <= DEEPEST or any(not part or part[0] == "." or "\\" in part for part in parts):
        raise Misfit("must be a plain path inside of the folder")
    return str(value)


Inside = Annotated[str, By(_inside)]


@dataclass(frozen=True)
class Entry:
    """One file of an archive."""

    path: Inside
    bytes: Step
    sha256: Hash


@dataclass(frozen=True)
class Contents:
    """The first line of an archive."""

    version: Annotated[int, By(one_of(VERSION))]
    folders: list[Inside]
    files: list[Entry]


def pack(folder: Path) -> bytes:
    """The regular files of a folder; links, hidden files and what is no file are left out.

    Raises:
        UsageError: a file cannot be read.
    """
    folders, files = [], {}
    for path in _walk(folder):
        name = path.relative_to(folder).as_posix()
        if is_folder(path):
            folders.append(name)
        elif is_file(path):
            files[name] = read_bytes(path, path.stat().st_size)
    entries = [Entry(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in files.items()]
    first = json.dumps(asdict(Contents(VERSION, folders, entries)))
    return b"".join([first.encode(), b"\n", *files.values()])


def _walk(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name[0] != ".")
        yield from (Path(parent, name) for name in sorted([*folders, *files]) if name[0] != ".")


def unpack(archive: bytes, folder: Path) -> None:
    """Make the folder of an archive. Everything is checked before anything is written.

    Raises:
        UsageError: the archive is damaged, or names a place outside of the folder.
        RunFailure: the disk does not take it.
    """
    folders, files = _read(archive)
    try:
        folder.mkdir(parents=True)
        for place in [*(folder / name for name in folders), *((folder / path).parent for path in files)]:
            place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFailure(f"cannot make {folder}: {error.strerror}") from error
    for name, data in files.items():
        with replacing(folder / name) as file:
            file.write(data)


def _read(archive: bytes) -> tuple[list[str], dict[str, memoryview]]:
    """Folders, and the contents of every file."""
    end = archive.find(b"\n")
    try:
        contents = fitting(json.loads(archive[: end + 1]), Contents)
    except (ValueError, RecursionError) as error:
        raise _damaged(str(error)) from None
    start, files = end + 1, {}
    for entry in contents.files:
        data = memoryview(archive)[start : start + entry.bytes]
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            raise _damaged(f"{entry.path} has another SHA-256 than its list says")
        start += entry.bytes
        files[entry.path] = data
    parents = {parent.as_posix() for path in files for parent in Path(path).parents}
    if start != len(archive) or len(files) < len(contents.files) or files.keys() & {*parents, *contents.folders}:
        raise _damaged("it is not what its list says")
    return contents.folders, files


def _damaged(why: str) -> UsageError:
    return UsageError(f"the archive of a run is damaged: {why}")


def bring_home(archive: bytes, home: Path, digest: str) -> None:
    """Put a run that was trained elsewhere at its place, as a whole; what was there before is what it began from.

    Call it while you hold the claim of the run.

    Args:
        archive: from :func:`pack`.
        home: the place of the run folder.
        digest: of the run that is expected.

    Raises:
        UsageError: the archive is damaged or holds another run, the run at home is finished, or a place that is needed
            is a link. What is at home stays as it is.
        RunFailure: the disk does not take it.
    """
    arriving, before = _waiting_rooms(home)
    shutil.rmtree(arriving, ignore_errors=True)
    try:
        unpack(archive, arriving)
        if (found := read_info(arriving).digest) != digest:
            raise UsageError(f"what came back for {home} is another run (digest {found[:12]})")
        if _is_finished(home):
            raise UsageError(f"{home} was finished meanwhile: what came back for it is left out")
    except (UsageError, RunFailure):
        shutil.rmtree(arriving, ignore_errors=True)
        raise
    sync_folder(arriving)
    if os.path.lexists(home):
        home.rename(before)
    arriving.rename(home)
    sync_folder(home.parent)
    shutil.rmtree(before, ignore_errors=True)
    with suppress(OSError):  # another run is arriving
        arriving.parent.rmdir()


def _is_finished(home: Path) -> bool:
    """Whether a run has a result, which nothing may replace."""
    try:
        return read_info(home).status in FINISHED
    except UsageError:  # there is none, or it cannot be read
        return False


def settle(home: Path) -> None:
    """Finish what a process that was killed in :func:`bring_home` left: the run is as it was before, or has arrived.

    Raises:
        UsageError: a place that is needed for it is a link or a file.
    """
    _, before = _waiting_rooms(home)
    if os.path.lexists(before) and not os.path.lexists(home):
        before.rename(home)
    shutil.rmtree(before, ignore_errors=True)


def _waiting_rooms(home: Path) -> tuple[Path, Path]:
    """Where a run is while it arrives, and where the one that it replaces is meanwhile (UsageError for a link)."""
    place = own_folder(home.parent / ARRIVING)
    return own_folder(place / f"{home.name}.new"), own_folder(place / f"{home.name}.before")
