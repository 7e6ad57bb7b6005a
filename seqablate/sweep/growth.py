"""Which request planned a run: who adds seeds after a look at results has to say so."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from seqablate.errors import UsageError
from seqablate.sweep.folder import Plan, SweepFolder, is_sweep


def requests_of(runs: Iterable[Path]) -> dict[Path, int]:
    """For each run folder of a sweep the number of the request, from 0, that first asked for it."""
    plans: dict[Path, Plan] = {}
    found = {}
    for run in runs:
        plan = plans.setdefault(run.parent, _plan(run.parent))
        numbers = [number for number, request in enumerate(plan.requests) if run.name in request.runs]
        if numbers:
            found[run] = numbers[0]
    return found


def not_begun(paths: Iterable[str | Path]) -> list[Path]:
    """The folders of planned runs that are not there yet, of each path that is a sweep."""
    sweeps = [Path(path) for path in paths]
    return [folder / run for folder in sweeps for run in _plan(folder).runs if not (folder / run).exists()]


def _plan(folder: Path) -> Plan:
    """Empty where the folder is no sweep, or its plan cannot be read."""
    if is_sweep(folder):
        with suppress(UsageError):
            return SweepFolder(folder).plan
    return Plan()
