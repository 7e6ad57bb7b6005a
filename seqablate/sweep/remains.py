"""What a process that was killed while it began a run has left: a folder in which nothing is recorded yet."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from seqablate.errors import UsageError
from seqablate.record.files import is_folder, open_regular

OURS = {"config.yaml", ".config.yaml", "run.json", ".run.json", "record.jsonl", "checkpoints"}


def was_begun(path: Path) -> bool:
    """Whether a run folder has the first row of a record: from then on there is something to go on from."""
    record = path / "record.jsonl"
    if not os.path.lexists(record):
        return False
    with os.fdopen(open_regular(record), "rb") as file:
        return b"\n" in file.read(1 << 20)


def clear_remains(path: Path) -> None:
    """Remove a folder that a start has left half-made (UsageError where it has anything that no start makes)."""
    if not os.path.lexists(path):
        return
    if not is_folder(path):
        raise UsageError(f"{path} is no folder: move it away")
    found = {entry.name for entry in path.iterdir()}
    if found - OURS or any((path / "checkpoints").glob("*")):
        raise UsageError(f"{path} holds something else than a run that has just been begun: move it away")
    shutil.rmtree(path)
