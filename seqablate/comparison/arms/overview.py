"""The table of some runs: by arm where an arm has several seeds, else by run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from seqablate.comparison.arms.cells import infinite
from seqablate.comparison.arms.compare import compare_runs
from seqablate.comparison.arms.formats import arm_table
from seqablate.comparison.result import Comparison
from seqablate.comparison.table import render_table
from seqablate.errors import UsageError
from seqablate.record.run import Run

if TYPE_CHECKING:
    from rich.console import RenderableType


def overview(runs: Sequence[Run], width: int, *, each: bool = False) -> Iterator[RenderableType]:
    """What a console prints of them.

    Args:
        runs: at least one.
        width: characters across.
        each: a row for each run in any case.
    """
    arms = None if each else _arms(runs)
    if arms is None:
        yield render_table(runs, width)
        return
    yield arm_table(arms, width)
    for line in infinite(arms):
        yield f"[dim]{line}[/]"


def _arms(runs: Sequence[Run]) -> Comparison | None:
    """None where no arm has a second seed, or the runs are of tasks that cannot stand in one column."""
    try:
        found = compare_runs(runs)
    except UsageError:
        return None
    return found if any(len(arm.runs) > 1 for arm in found.arms) else None
