"""The tables of the page: those of every other format, and one of the runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from seqablate.comparison.arms.cells import Cell, Column, arm_columns, contrast_columns, effect_columns
from seqablate.comparison.result import ArmResult, Comparison, RunLine
from seqablate.text import result


@dataclass(frozen=True, slots=True)
class Table:
    """A table, cell by cell.

    Attributes:
        id: its name on the page.
        title: what stands in it, in words.
        columns: one a cell.
        rows: each with the position of the arm whose look it has.
        openable: a row can be opened, to see more.
    """

    id: str
    title: str
    columns: Sequence[Column[Any]]
    rows: list[tuple[int | None, list[Cell]]]
    openable: bool = False

    def noted(self, column: int) -> bool:
        """Whether any cell of a column has more than its number."""
        return any(cells[column].below for _, cells in self.rows)


def every_table(comparison: Comparison) -> dict[str, Table]:
    """All tables, by name; those without rows too."""
    labels = [arm.label for arm in comparison.arms]
    of_contrasts = [labels.index(one.arm) for one in comparison.contrasts]
    of_effects = [None] * len(comparison.effects)
    runs = [(arm, run) for arm in comparison.arms for run in arm.runs]
    of_runs = [position for position, arm in enumerate(comparison.arms) for _ in arm.runs]
    found = [
        _table("arms", "Arms", arm_columns(comparison), comparison.arms, range(len(labels))),
        _table("contrasts", "Differences", contrast_columns(comparison), comparison.contrasts, of_contrasts),
        _table("effects", "Effects of two factors", effect_columns(comparison), comparison.effects, of_effects),
        _table("runs", "Runs", list(_run_columns(comparison)), runs, of_runs, openable=True),
    ]
    return {table.id: table for table in found}


def _table(
    id: str,
    title: str,
    columns: Sequence[Column[Any]],
    things: Sequence[Any],
    arms: Sequence[int | None],
    openable: bool = False,
) -> Table:
    rows = [(arm, [column.cell(thing) for column in columns]) for arm, thing in zip(arms, things, strict=True)]
    return Table(id, title, columns, rows, openable)


Pair = tuple[ArmResult, RunLine]


def _solved_at(run: RunLine) -> Cell:
    """Below it, whether the run has lost its solution again."""
    return Cell("–") if run.solved_at is None else Cell(str(run.solved_at), "" if run.solved else "lost again")


def _run_columns(comparison: Comparison) -> Iterator[Column[Pair]]:
    scale = comparison.scale
    yield Column("arm", lambda pair: Cell(pair[0].label), left=True)
    yield Column("seed", lambda pair: Cell(pair[1].unit.removeprefix("seed ")))
    yield Column("status", lambda pair: Cell(pair[1].status, "other code" if pair[1].other_code else ""), left=True)
    yield Column("steps", lambda pair: Cell(str(pair[1].step)))
    yield Column(scale.label, lambda pair: Cell(result(pair[1].value, scale.goal)))
    if scale.goal is not None:
        yield Column("solved at step", lambda pair: _solved_at(pair[1]))
    yield Column("folder", lambda pair: Cell(pair[1].name), left=True)
