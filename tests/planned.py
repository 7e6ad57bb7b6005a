"""Runs of a sweep as tests need them, without folders."""

from __future__ import annotations

from recorded import run_info

from seqablate.sweep.folder import PlannedRun
from seqablate.sweep.standing import RunStanding


def planned(**swept: str) -> PlannedRun:
    """A run of the plan, named by what is swept."""
    name = ",".join(f"{key}={value}" for key, value in swept.items())
    return PlannedRun(name, [f"{key}={value}" for key, value in swept.items()], "0" * 64, swept)


def standing(now: str, seconds: float = 0.0, **swept: str) -> RunStanding:
    """How a run stands; one that is recorded has taken so many seconds."""
    spent = {"total": seconds, "train": seconds, "eval": 0.0}
    info = None if now == "pending" else run_info(status=now.replace("killed", "running"), seconds=spent)
    return RunStanding(planned(**swept), now, info)
