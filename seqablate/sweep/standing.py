"""How far the runs of a sweep are: read from their folders and from who works at them. Imports no torch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, cast

from seqablate.errors import UsageError
from seqablate.record.info import NAME as INFO
from seqablate.record.info import recorded_info, with_status
from seqablate.record.schema import RunInfo
from seqablate.sweep.folder import PlannedRun, SweepFolder

Standing = Literal["pending", "running", "done", "diverged", "failed", "interrupted", "killed"]
UNFINISHED = ("pending", "interrupted", "killed")  # to be done, from the newest checkpoint


def is_to_do(standing: Standing, retry_failed: bool) -> bool:
    """Whether a run that stands so is to be trained, or continued."""
    return standing in UNFINISHED or (standing == "failed" and retry_failed)


@dataclass(frozen=True, slots=True)
class RunStanding:
    """One run of the plan as it is now.

    Attributes:
        run: the run.
        standing: ``pending`` if nothing is recorded of it yet, else the status of the run.
        info: its run.json, None if there is none that can be read.
        message: why it failed.
    """

    run: PlannedRun
    standing: Standing
    info: RunInfo | None = None
    message: str | None = None


def standings(folder: SweepFolder, runs: Sequence[PlannedRun] | None = None) -> list[RunStanding]:
    """How each run stands; of all runs where none are named."""
    return [standing_of(folder, run) for run in (folder.runs if runs is None else runs)]


def standing_of(folder: SweepFolder, run: PlannedRun) -> RunStanding:
    """How one run stands by its own folder."""
    path = folder.run_path(run)
    try:
        file = os.lstat(path / INFO)
        info = with_status(path, _recorded(path, (file.st_ino, file.st_mtime_ns, file.st_size)))
    except OSError:
        return RunStanding(run, "pending")
    except UsageError as error:
        return RunStanding(run, "failed", message=str(error))
    if info.digest != run.digest:
        return RunStanding(run, "failed", info, f"{path} holds another run than the plan says: move it away")
    return RunStanding(run, cast("Standing", info.status), info, info.message)


@lru_cache(maxsize=10_000)
def _recorded(path: Path, version: tuple[int, int, int]) -> RunInfo:
    """run.json of a folder, read once for each version of the file: a run's standing is asked for again and again."""
    return recorded_info(path)
