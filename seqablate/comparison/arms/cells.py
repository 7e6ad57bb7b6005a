"""The columns of a comparison's tables: one declaration each, whatever the table is written as."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from seqablate.comparison.arms.claim import p_value
from seqablate.comparison.result import ArmResult, Comparison, Contrast, Effect, Test
from seqablate.comparison.settings import headings
from seqablate.config.flat import shown
from seqablate.statistics.interval import Interval
from seqablate.text import INFINITY, number, percent, result

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in one place of a table.

    Attributes:
        text: the number.
        below: its interval, or what else belongs to it.
    """

    text: str
    below: str = ""

    @property
    def line(self) -> str:
        return f"{self.text} {self.below}".rstrip()


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """One column.

    Attributes:
        heading: in words.
        cell: of a row.
        left: aligned to the left.
        losable: may be left out on a narrow terminal; the larger the sooner, 0 never.
        infinite: what an infinite number in it means.
    """

    heading: str
    cell: Callable[[T], Cell]
    left: bool = False
    losable: int = 0
    infinite: str = ""


def arm_columns(comparison: Comparison) -> list[Column[ArmResult]]:
    """The columns of the table of arms that have something in them."""
    scale, arms = comparison.scale, comparison.arms
    columns = [_factor(key, heading) for key, heading in headings(comparison.factors).items()]
    columns.append(Column("n", _count))
    if any(arm.solved for arm in arms):
        columns.append(Column("solved", lambda arm: _share(arm.solved)))
    worst = f"of {scale.label}: runs that diverged, or have no such number"
    columns.append(Column(f"{scale.label} (median)", lambda arm: interval(arm.value, scale.goal), infinite=worst))
    if any(arm.steps_to_solve for arm in arms) and scale.name != "steps_to_solve":
        never = "of steps to solve: runs that diverged, or did not solve the task within their budget"
        columns.append(Column("steps to solve (median)", _steps, losable=1, infinite=never))
    if any(arm.reach for arm in arms) and scale.name != "reach":
        beyond = "of a lag: more than 1 % of the gradient is left at the end of the curve"
        columns.append(
            Column("1 % of gradient left at lag", lambda arm: interval(arm.reach), losable=2, infinite=beyond)
        )
    if any(arm.clipped is not None for arm in arms):
        columns.append(Column("clipped", lambda arm: Cell(percent(arm.clipped)), losable=3))
    columns.append(Column("ms a step", lambda arm: Cell(number(arm.ms_per_step)), losable=4))
    columns.append(Column("parameters", lambda arm: Cell(_range(arm.parameters)), losable=5))
    return columns


def _factor(key: str, heading: str) -> Column[ArmResult]:
    def cell(arm: ArmResult) -> Cell:
        return Cell(shown(arm.config[key]) if key in arm.config else "–")

    return Column(heading, cell, left=True)


def contrast_columns(comparison: Comparison) -> list[Column[Contrast]]:
    """The columns of the table of differences."""
    columns: list[Column[Contrast]] = [
        Column("arm", lambda one: Cell(one.arm), left=True),
        Column("less its baseline", lambda one: Cell(one.baseline), left=True),
        Column("pairs", lambda one: Cell(str(one.pairs) if one.pairs else "–")),
    ]
    if any(one.solved for one in comparison.contrasts):
        columns.append(Column("share solved", lambda one: _difference(one.solved)))
        columns.append(Column("p", lambda one: _p(one.solved)))
    if any(one.value for one in comparison.contrasts):
        columns.append(Column(f"{comparison.scale.label} (median)", lambda one: _difference(one.value)))
        columns.append(Column("p", lambda one: _p(one.value)))
    return columns


def effect_columns(comparison: Comparison) -> list[Column[Effect]]:
    """The columns of the table of main effects and interactions."""
    return [
        Column("effect", lambda one: Cell(one.name), left=True),
        Column("kind", lambda one: Cell(one.kind), left=True),
        Column("pairs", lambda one: Cell(str(one.pairs))),
        Column(f"{comparison.scale.label} (median)", lambda one: _difference(one.value)),
        Column("p", lambda one: _p(one.value)),
    ]


def interval(found: Interval | None, goal: float | None = None) -> Cell:
    """``0.0031`` with ``[0.002, 0.004]`` below."""
    if found is None or found.estimate is None:
        return Cell("–")
    return Cell(result(found.estimate, goal), bounds(found))


def _steps(arm: ArmResult) -> Cell:
    """``> 3000`` where half of the runs did not solve the task within their budget: the largest of their budgets."""
    found = interval(arm.steps_to_solve)
    if found.text != INFINITY:
        return found
    unsolved = [run.steps_to_solve for run in arm.runs if run.solved is False and run.steps_to_solve is not None]
    budgets = list(filter(math.isfinite, unsolved))
    return found if 2 * len(budgets) < arm.n else Cell(f"> {max(budgets):.0f}", found.below)


def bounds(found: Interval) -> str:
    """``[0.002, 0.004]``; empty where there are none."""
    if found.low is None or found.high is None:
        return ""
    return f"[{result(found.low)}, {result(found.high)}]"


def _share(found: Interval | None) -> Cell:
    if found is None or found.estimate is None:
        return Cell("–")
    if found.low is None:  # seeds have several runs
        return Cell(percent(found.estimate))
    return Cell(f"{round(found.estimate * found.n)}/{found.n}", bounds(found))


def _difference(test: Test | None) -> Cell:
    if test is None or test.difference.estimate is None:
        return Cell("–")
    text = result(test.difference.estimate)
    return Cell(text if text.startswith("-") or text == "0" else f"+{text}", bounds(test.difference))


def _p(test: Test | None) -> Cell:
    return Cell("–" if test is None else p_value(test.holm))


def _count(arm: ArmResult) -> Cell:
    """How many count, and below it those that went wrong or have not ended."""
    others = [f"{count} {status}" for status, count in arm.statuses.items() if status != "done"]
    return Cell(str(arm.n), ", ".join(others))


def _range(values: Sequence[int]) -> str:
    if not values:
        return "–"
    return str(values[0]) if len(values) == 1 else f"{values[0]} to {values[-1]}"


def infinite(comparison: Comparison) -> list[str]:
    """What ``∞`` means, for each column of the table of arms in which it stands."""
    return [
        f"{INFINITY} {column.infinite}"
        for column in arm_columns(comparison)
        if column.infinite and any(INFINITY in column.cell(arm).line for arm in comparison.arms)
    ]
