"""The share of an arm's runs that has solved the task, over training (Kaplan & Meier 1958)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from seqablate.comparison.group import Group, Member, sentences
from seqablate.comparison.picture import Picture
from seqablate.comparison.result import RunLine
from seqablate.figures.curve import ENDS
from seqablate.figures.paper import Words
from seqablate.figures.steps import Staircase, draw_steps
from seqablate.statistics.censored import survival

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TICK = "ended without having solved it"
LOST = "diverged"


def pictures(group: Group) -> Iterator[Picture]:
    """One picture, of the arms whose task has a goal."""
    having = [member for member in group.members if member.arm.solved]
    notes = [f"{member.arm.label}: its task has no goal" for member in group.members if member not in having]
    if having:
        yield Picture(stem="steps-to-solve", draw=partial(_draw, group, having), notes=notes)


def _draw(group: Group, members: Sequence[Member]) -> Figure:
    end = max(line.step for member in members for line in member.ended)
    found = [_staircase(group, member, end) for member in members]
    note = sentences(
        "Kaplan–Meier estimate; a run that diverged never solves its task."
        if any(one.lost for one in found)
        else "Kaplan–Meier estimate.",
        group.counts(),
    )
    ylabel = f"solved (share of {group.noun}s)"
    words = Words(xlabel="training step", ylabel=ylabel, note=note, levels={}, ends=ENDS)
    return draw_steps(found, words, tick=TICK, lost=LOST)


def _staircase(group: Group, member: Member, end: float) -> Staircase:
    """An arm's share; the line goes on to ``end`` where it is known to stay as it is."""
    times = [_time(line) for line in member.ended]
    happened = [bool(line.solved) for line in member.ended]
    unsolved = survival(times, happened)
    x, y = list(unsolved.times), [1 - share for share in unsolved.shares]
    if math.inf in times or all(happened):
        x, y = [*x, end], [*y, y[-1]]
    return Staircase(
        label=group.entry(member.arm.label, [member], f"{sum(happened)} solved"),
        look=member.arm.look,
        x=np.array(x),
        y=np.array(y),
        ticks=sorted({time for time, did in zip(times, happened, strict=True) if not did and time < math.inf}),
        lost=[line.step - 1 for line in member.ended if line.status == "diverged"],
    )


def _time(line: RunLine) -> float:
    """When the run solved its task, or ended without; inf for a run that diverged, which never does."""
    return math.inf if line.steps_to_solve is None else line.steps_to_solve
