"""What is said at the end of a sweep: the table of its runs, and what is not done."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from seqablate.report.console import run_console
from seqablate.report.lines import complain, say


def report_sweep(folder: Path, names: Sequence[str]) -> int:
    """The table of what there is, then every arm that is not done by name; 1 if there is one, else 0."""
    from seqablate.compare.table import render_table
    from seqablate.record.run import Run

    runs = [Run(folder / name) for name in names if (folder / name / "run.json").is_file()]
    console = run_console()
    if runs:
        console.print(render_table(runs, console.width))
    bad = {run.name: f"{run.status}: {run.info.message}" for run in runs if run.status != "done"}
    bad |= {name: "not started" for name in names if not (folder / name / "run.json").is_file()}
    for name, why in sorted(bad.items()):
        complain(f"{name}: {why.removesuffix(': None')}")
    for run in runs:
        if run.status in ("interrupted", "killed", "failed"):
            say(f"continue: seqablate resume {shlex.quote(os.path.relpath(run.path))}")
    say(f"{len(names) - len(bad)} of {len(names)} runs done in {folder}")
    say(f"next: seqablate show {shlex.quote(os.path.relpath(folder))}")
    return 1 if bad else 0
