"""Checkpoints: whole or not at all, checked by hash, loaded without executing anything."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
from pathlib import Path
from typing import Any

import torch

from seqablate.errors import RunFailure

VERSION = 1


def checkpoint_name(step: int) -> str:
    """File name of the checkpoint after ``step`` updates."""
    return f"step_{step:08d}.pt"


def save_checkpoint(folder: Path, step: int, state: dict[str, Any]) -> tuple[str, str]:
    """Write ``state`` so that a crash leaves either the whole file or none.

    Returns:
        File name and SHA-256 of its bytes.

    Raises:
        RunFailure: the disk is full or cannot be written; earlier checkpoints are untouched.
    """
    buffer = io.BytesIO()
    torch.save({"version": VERSION, "step": step, **state}, buffer)
    data = buffer.getbuffer()
    name = checkpoint_name(step)
    temporary = folder / f".{name}.{os.getpid()}"
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(folder / name)
        sync_folder(folder)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise RunFailure(f"cannot write the checkpoint {folder / name}: {error.strerror}") from error
    return name, hashlib.sha256(data).hexdigest()


def load_checkpoint(path: Path, sha256: str | None = None) -> dict[str, Any] | None:
    """The state in ``path``; None when the file is missing, damaged, no plain tensors, or not what ``sha256`` says."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
        return None
    try:
        state: dict[str, Any] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except (RuntimeError, ValueError, EOFError, KeyError, OSError, pickle.UnpicklingError):
        return None
    return state if state.get("version") == VERSION else None


def newest_whole(folder: Path, commits: list[dict[str, Any]]) -> tuple[dict[str, Any] | None, list[str]]:
    """The newest committed checkpoint that is whole, and the names of damaged ones passed over on the way.

    Args:
        folder: the run's ``checkpoints/``.
        commits: the record's commit rows, oldest first.
    """
    damaged: list[str] = []
    for commit in reversed(commits):
        path = folder / commit["checkpoint"]
        state = load_checkpoint(path, commit["sha256"])
        if state is not None:
            return state, damaged
        if path.exists():
            damaged.append(path.name)
    return None, damaged


def prune(folder: Path, step: int, keep: int) -> None:
    """After the commit of ``step``: remove all but the newest ``keep`` checkpoints up to it (0 keeps all).

    Files of later steps go too: they were passed over as damaged, or written by a process that was killed before it
    could commit them, and the run now goes another way to the same steps. Temporary files of killed processes go.
    """
    for leftover in folder.glob(".step_*"):
        leftover.unlink(missing_ok=True)
    steps = {int(path.stem.removeprefix("step_")): path for path in folder.glob("step_*.pt")}
    committed = sorted(number for number in steps if number <= step)
    for number in [*(n for n in steps if n > step), *(committed[:-keep] if keep else [])]:
        steps[number].unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """fsync a folder, so that a rename inside it survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
