"""A sweep as it is at one moment, for whoever asks from outside: each run, who works at it, and how far it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, get_args

from seqablate.errors import UsageError
from seqablate.record.reader import read_record
from seqablate.record.rows import strict
from seqablate.record.schema import FINISHED
from seqablate.record.tail import newest_step
from seqablate.sweep.claims import Claims
from seqablate.sweep.folder import SweepFolder
from seqablate.sweep.standing import RunStanding, Standing, standings

VERSION = 1  # of --json


@dataclass(frozen=True, slots=True)
class RunNow:
    """One run.

    Attributes:
        state: how it stands; ``running`` where somebody has claimed it.
        worker: who works at it, None if nobody does.
        step: updates made.
        steps: its budget; None before it has begun.
    """

    state: RunStanding
    worker: str | None = None
    step: int = 0
    steps: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The keys of one run in ``--json``."""
        run, info = self.state.run, self.state.info
        return {
            "name": run.name,
            "words": run.words,
            "swept": run.swept,
            "seed": None if info is None else info.seed,
            "standing": self.state.standing,
            "step": self.step,
            "steps": self.steps,
            "metric": None if info is None else info.metric.name,
            "value": None if info is None else info.final_value,
            "solved_at": None if info is None else info.solved_at,
            "seconds": None if info is None else info.seconds.total,
            "worker": self.worker,
            "message": self.state.message,
        }


def look(folder: SweepFolder) -> list[RunNow]:
    """Every run as it is now, in the order of the plan."""
    claims = Claims(folder.claims, "")
    return [_now(folder, claims, found) for found in standings(folder)]


def _now(folder: SweepFolder, claims: Claims, found: RunStanding) -> RunNow:
    info, worker, step = found.info, None, None
    if found.standing not in FINISHED:
        holder = claims.holder(found.run.name)
        worker = holder.worker if holder is not None and holder.alive else None
    if worker is not None:  # it may be on a machine whose locks are not seen here
        found = RunStanding(found.run, "running", info)
    if info is None:
        return RunNow(found, worker)
    record = folder.run_path(found.run) / "record.jsonl"
    with suppress(UsageError):
        step = newest_step(record) if found.standing == "running" else None
    return RunNow(found, worker, max(info.step, step or 0), _steps(record.parent))


def _steps(run_dir: Any) -> int | None:
    with suppress(UsageError):
        steps = read_record(run_dir).header.config.get("steps")
        return steps if type(steps) is int else None
    return None


def to_json(folder: SweepFolder, runs: Sequence[RunNow]) -> dict[str, Any]:
    """What ``--json`` prints."""
    counts = Counter(run.state.standing for run in runs)
    return {
        "version": VERSION,
        "sweep": str(folder.path),
        "runs": [strict(run.to_json()) for run in runs],
        "counts": {standing: counts[standing] for standing in get_args(Standing)},
    }


def failures(runs: Sequence[RunNow]) -> Iterator[str]:
    """``name: failed: why`` of each run that failed or diverged."""
    for run in runs:
        if run.state.standing in ("failed", "diverged"):
            yield f"{run.state.run.name}: {run.state.standing}: {run.state.message}".removesuffix(": None")
