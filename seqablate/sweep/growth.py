"""Which request planned a run: who adds seeds after a look at results has to say so."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

from seqablate.errors import UsageError
from seqablate.sweep.folder import Plan, SweepFolder, is_sweep


def requests_of(runs: Collection[Path]) -> dict[Path, int]:
    """For each run folder of a sweep the number of the request, from 0, that first asked for it."""
    numbers: dict[Path, dict[str, int]] = {}
    for run in runs:
        if run.parent not in numbers:
            numbers[run.parent] = _numbers(_plan(run.parent))
    return {run: numbers[run.parent][run.name] for run in runs if run.name in numbers[run.parent]}


def _numbers(plan: Plan) -> dict[str, int]:
    """The number of its first request, by the name of a run."""
    found: dict[str, int] = {}
    for number, request in enumerate(plan.requests):
        for name in request.runs:
            found.setdefault(name, number)
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
