"""Checkpoints: whole or not at all, checked by hash and by structure, loaded without executing anything."""

from __future__ import annotations

import hashlib
import io
import pickle
import re
import warnings
import zipfile
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import torch

from seqablate.errors import UsageError
from seqablate.record.files import is_file, is_folder, read_bytes, replacing, sync_folder
from seqablate.record.rows import CHECKPOINT, CommitRow

VERSION = 2
LEFTOVER = re.compile(rf"\.{CHECKPOINT.pattern}")  # of a process that was killed while it wrote
OVERHEAD = 1 << 20  # bytes that a checkpoint may unpack to beyond its own size
LARGEST = 1 << 36

Fits = Callable[[dict[str, Any]], bool]


def checkpoint_name(step: int) -> str:
    """File name of the checkpoint after ``step`` updates."""
    return f"step_{step:08d}.pt"


def save_checkpoint(folder: Path, step: int, state: dict[str, Any]) -> CommitRow:
    """Write ``state`` so that a crash leaves either the whole file or none.

    Returns:
        The row that commits it: step, file name, SHA-256 and size of its bytes.

    Raises:
        RunFailure: the disk is full or cannot be written; earlier checkpoints are untouched.
    """
    buffer = io.BytesIO()
    torch.save({"version": VERSION, "step": step, **state}, buffer)
    data = buffer.getbuffer()
    name = checkpoint_name(step)
    with replacing(folder / name) as file:
        file.write(data)
    sync_folder(folder)
    sha256 = hashlib.sha256(data).hexdigest()
    return CommitRow(step=step, checkpoint=name, sha256=sha256, bytes=len(data))


def load_checkpoint(path: Path, commit: CommitRow) -> dict[str, Any] | None:
    """The state in ``path``; None when the file is missing, no plain tensors, or not what its commit row says."""
    size = commit.bytes
    try:
        if not is_file(path) or path.stat().st_size != size or size > LARGEST:
            return None
        data = read_bytes(path, size)
    except (OSError, UsageError):
        return None
    if hashlib.sha256(data).hexdigest() != commit.sha256 or _unpacked(data) > size + OVERHEAD:
        return None
    try:
        with warnings.catch_warnings(action="ignore"):  # about files that are refused
            state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except (RuntimeError, ValueError, TypeError, AttributeError, LookupError, EOFError, OSError, pickle.PickleError):
        return None
    whole = isinstance(state, dict) and state.get("version") == VERSION and state.get("step") == commit.step
    return state if whole else None


def newest_whole(folder: Path, commits: Sequence[CommitRow], fits: Fits) -> tuple[dict[str, Any] | None, list[str]]:
    """The newest committed checkpoint that is whole, and the names of damaged ones passed over on the way.

    Args:
        folder: the run's ``checkpoints/``.
        commits: the record's commit rows, oldest first.
        fits: whether a state has everything, in the right types and shapes.

    Raises:
        UsageError: ``checkpoints`` is a file or a link.
    """
    if not is_folder(folder):
        raise UsageError(f"{folder} is not a folder of its own: the checkpoints of a run are in it")
    damaged: list[str] = []
    for commit in reversed(commits):
        path = folder / commit.checkpoint
        state = load_checkpoint(path, commit)
        if state is not None and fits(state):
            return state, damaged
        if path.exists() or path.is_symlink():
            damaged.append(path.name)
    return None, damaged


def prune(folder: Path, step: int, keep: int, committed: AbstractSet[int]) -> None:
    """After the commit of ``step``: remove all but the newest ``keep`` checkpoints up to it (0 keeps all).

    Those of later steps go too: they were passed over as damaged, and the run now goes another way to the same steps.
    Temporary files of killed processes go. Everything else is somebody else's, and stays.

    Args:
        folder: the run's ``checkpoints/``.
        step: of the newest checkpoint.
        keep: how many.
        committed: the steps of all checkpoints that the run has committed.
    """
    steps = {number: path for number, path in saved_steps(folder).items() if number in committed}
    kept = sorted(number for number in steps if number <= step)
    late = [number for number in steps if number > step]
    for number in [*late, *(kept[:-keep] if keep else [])]:
        steps[number].unlink(missing_ok=True)
    for path in list(folder.iterdir()):
        if LEFTOVER.fullmatch(path.name) and not is_folder(path):
            path.unlink(missing_ok=True)


def saved_steps(folder: Path) -> dict[int, Path]:
    """The checkpoint files in a folder by step; no folders, and no file of another name."""
    named = [(CHECKPOINT.fullmatch(path.name), path) for path in folder.iterdir()]
    return {int(match[1]): path for match, path in named if match and not is_folder(path)}


def _unpacked(data: bytes) -> int:
    """Bytes that a checkpoint has when it is read: it is a zip file, and torch packs without compressing."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
        return 0  # torch.load will say what it is
