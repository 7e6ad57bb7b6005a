"""Where a resumed run goes on: from the newest whole checkpoint that its record names, never silently from step 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from seqablate.errors import UsageError
from seqablate.record.folder import RunFolder
from seqablate.record.reader import Record
from seqablate.training.checkpoint import newest_whole, saved_steps
from seqablate.training.parts import Parts
from seqablate.training.saved import fits_run


@dataclass(frozen=True, slots=True)
class Start:
    """The checkpoint's state (None: begin at step 0), what was passed over, and the steps of the run's checkpoints."""

    saved: dict[str, Any] | None
    warnings: list[str]
    committed: list[int]


def find_start(folder: RunFolder, record: Record, parts: Parts) -> Start:
    """Read and check the whole record and the checkpoints that it names; writes nothing.

    Raises:
        UsageError: something is damaged, or checkpoints were made and none can be used.
    """
    commits = record.commits
    saved, damaged = newest_whole(folder.checkpoints, commits, lambda state: fits_run(state, parts))
    warnings = [f"{name} is damaged" for name in damaged]
    warnings += [f"{name} is not in the record, whose end is missing" for name in _unnamed(folder, record)]
    if saved is None and (commits or warnings):
        why = "; ".join(warnings) or "the committed ones have been deleted"
        raise UsageError(f"{folder.checkpoints}: no checkpoint to go on from: {why}; start the run again")
    return Start(saved, warnings, [commit.step for commit in commits])


def _unnamed(folder: RunFolder, record: Record) -> list[str]:
    """Checkpoints that the record does not lead to: rows were lost.

    A process that was killed before it committed its checkpoint leaves one, too, but has recorded every step up to it.
    """
    names, reached = record.ever()
    return [
        path.name
        for step, path in sorted(saved_steps(folder.checkpoints).items())
        if path.name not in names and step > reached + 1
    ]
