"""The arms of a comparison as the pictures show them: their runs' courses, and the words of the legend."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from seqablate.comparison.course import Course, read_course
from seqablate.comparison.result import ArmResult, Comparison, RunLine
from seqablate.errors import UsageError, printable
from seqablate.figures.scale import Scale
from seqablate.record.run import Run
from seqablate.record.schema import FINISHED
from seqablate.statistics.interval import fewest
from seqablate.text import counted

MOST_ARMS = 12  # in one picture; more cannot be told apart
WIDE = 10.0


@dataclass(frozen=True, slots=True)
class Member:
    """One arm: its numbers, and the courses of its runs that ended by themselves."""

    arm: ArmResult
    courses: list[Course]

    @property
    def ended(self) -> list[RunLine]:
        """Its runs that ended by themselves."""
        return [line for line in self.arm.runs if line.status in FINISHED]

    @property
    def diverged(self) -> list[Course]:
        return [course for course in self.courses if course.run.info.diverged_at is not None]


@dataclass(frozen=True, slots=True)
class Group:
    """Everything that pictures of arms are made from.

    Attributes:
        members: the arms that are drawn.
        notes: what is not drawn, and why.
    """

    comparison: Comparison
    members: list[Member]
    notes: list[str]

    @property
    def runs(self) -> list[Run]:
        return [course.run for member in self.members for course in member.courses]

    @property
    def noun(self) -> str:
        """What an arm consists of: seeds, where each has one run; else runs."""
        once = all(len(set(member.arm.seeds)) == member.arm.n for member in self.members)
        return "seed" if once else "run"

    def counts(self) -> str:
        """How many seeds all arms have; empty where they differ in it: then :meth:`entry` says so."""
        sizes = {member.arm.n for member in self.members}
        return f"{counted(sizes.pop(), self.noun)} in each arm." if len(sizes) == 1 else ""

    def entry(self, label: str, members: Sequence[Member], *facts: str) -> str:
        """A legend's entry for one arm or several: the label, their size if not all have the same, and other facts."""
        sizes = sorted({member.arm.n for member in members})
        size = [] if self.counts() else [f"n = {' to '.join(map(str, dict.fromkeys((sizes[0], sizes[-1]))))}"]
        lost = sum(member.arm.statuses.get("diverged", 0) for member in members)
        words = ", ".join([*size, *facts, *([f"{lost} diverged"] if lost else [])])
        return f"{label} ({words})" if label and words else label or words


def read_group(comparison: Comparison, runs: Iterable[Run]) -> Group:
    """Read the records of a comparison's runs; one that is damaged is left out, and a note says so."""
    by_path = {str(run.path): run for run in runs}
    drawable = [arm for arm in comparison.arms if arm.n]
    notes = [f"{arm.label}: not drawn, for no run of it has ended" for arm in comparison.arms if not arm.n]
    if len(drawable) > MOST_ARMS:
        notes.append(f"only the first {MOST_ARMS} of {len(drawable)} arms are drawn: choose some with --where")
    members = [_member(arm, by_path, notes) for arm in drawable[:MOST_ARMS]]
    return Group(comparison, members, notes)


def _member(arm: ArmResult, by_path: dict[str, Run], notes: list[str]) -> Member:
    courses = []
    for line in arm.runs:
        run = by_path.get(line.path)
        if run is not None and line.status in FINISHED:
            try:
                courses.append(read_course(run))
            except UsageError as error:
                notes.append(f"{run.name}: its curves are not drawn: {printable(str(error))}")
    return Member(arm, courses)


def levels(**values: float | None) -> dict[str, float]:
    """Those that there are."""
    return {name: value for name, value in values.items() if value is not None}


def fitting(values: np.ndarray, lower_is_better: bool) -> Scale:
    """The vertical axis of a metric: logarithmic for an error whose smallest values would lie on the axis otherwise."""
    finite = values[np.isfinite(values)]
    wide = len(finite) and finite.min() > 0 and finite.max() / finite.min() >= WIDE
    return Scale(log=bool(lower_is_better and wide))


def sentences(*parts: str) -> str:
    """The parts that there are, one after the other."""
    return " ".join(filter(None, parts))


def spread_words(counts: Iterable[int], level: float, drawn: str) -> str:
    """What is drawn around a median of these numbers of runs: its exact interval, or the range where there is none.

    Args:
        counts: runs at each point.
        level: of the interval.
        drawn: how: ``shaded``, ``bars``.
    """
    sizes = set(counts) - {0, 1}
    exact, least = f"exact {100 * level:g} % interval", fewest(level)
    if not sizes:
        return ""
    if max(sizes) < least:
        return f"Median and range ({drawn}): fewer than {least} runs have no {exact}."
    return f"Median and its {exact} ({drawn}{f'; of fewer than {least} runs the range' if min(sizes) < least else ''})."
