"""What is said at the end of a sweep: the table of its arms, and what is not done."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

from seqablate.errors import UsageError
from seqablate.report.console import run_console
from seqablate.report.lines import complain, say
from seqablate.sweep.folder import PlannedRun, SweepFolder
from seqablate.sweep.standing import UNFINISHED, RunStanding, standings

LONGEST_TABLE = 100  # runs; nobody reads more at the end of a sweep


def report_sweep(folder: SweepFolder, runs: Sequence[PlannedRun], *, quiet: bool, trained: bool) -> int:
    """The table of what there is, then every run that is not done by name; 1 if there is one, else 0.

    Args:
        folder: the sweep.
        runs: those that were asked for.
        quiet: say only what is not done.
        trained: whether anything has been trained just now; otherwise the table is left out.
    """
    found = standings(folder, runs)
    bad = [one for one in found if one.standing != "done"]
    if trained and not quiet and len(runs) <= LONGEST_TABLE:
        _print_table(folder, found)
    for one in bad:
        why = "not started" if one.standing == "pending" else f"{one.standing}: {one.message}"
        complain(f"{one.run.name}: {why.removesuffix(': None')}")
    if not quiet:
        say(f"{len(runs) - len(bad)} of {len(runs)} runs done in {folder.path}")
        for line in _next(folder, bad):
            say(line)
    return 1 if bad else 0


def _next(folder: SweepFolder, bad: Sequence[RunStanding]) -> list[str]:
    """What to type next."""
    place = shlex.quote(os.path.relpath(folder.path))
    lines = []
    if any(one.standing in UNFINISHED for one in bad):
        lines.append(f"continue: seqablate resume {place}")
    if any(one.standing == "failed" for one in bad):
        lines.append(f"try what failed again: seqablate resume {place} sweep.retry_failed=true")
    return [*lines, f"next: seqablate compare {place}", f"      seqablate show {place}"]


def _print_table(folder: SweepFolder, found: Sequence[RunStanding]) -> None:
    from seqablate.comparison.arms.overview import overview
    from seqablate.record.run import Run

    runs = [Run(folder.run_path(one.run)) for one in found if one.info is not None]
    console = run_console()
    try:
        if runs:
            for part in overview(runs, console.width):
                console.print(part)
    except UsageError as error:  # a folder that was damaged meanwhile
        complain(str(error))
