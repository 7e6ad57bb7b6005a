"""Lag curves, profiles and other curves as they were last measured: the median of each arm with its band."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from seqablate.comparison.course import Course
from seqablate.comparison.curves import after, measured, titled
from seqablate.comparison.group import Group, Member, sentences, spread_words
from seqablate.comparison.picture import Picture
from seqablate.comparison.pool import Pooled, pool, rows_of
from seqablate.figures.bands import Band, draw_bands
from seqablate.figures.curve import ENDS, Curve
from seqablate.figures.paper import Words
from seqablate.figures.scale import Scale
from seqablate.signals.decay import FLOORS
from seqablate.signals.view import Curve as CurveView
from seqablate.signals.view import views_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOST = "the last one of a seed that diverged"


def pictures(group: Group) -> Iterator[Picture]:
    """A picture for each kind of curve."""
    courses = [course for member in group.members for course in member.courses]
    for view in views_of(signal for course in courses for signal in course.last.values()):
        assert isinstance(view, CurveView)
        missing = [member.arm.label for member in group.members if not _having(member, view)]
        notes = [f"{label}: no {view.noun}" for label in missing]
        yield Picture(stem=view.stem, draw=partial(_draw, group, view), notes=notes)


def _having(member: Member, view: CurveView) -> list[Course]:
    return [course for course in member.courses if view in course.last]


def _draw(group: Group, view: CurveView) -> Figure:
    found = [(member, _having(member, view)) for member in group.members]
    shown = [course for _, courses in found for course in courses]
    places = {course.last[view].place for course in shown}
    owners = len({place.owner for place in places}) > 1
    counts: list[int] = []
    bands = []
    for member, courses in found:
        if courses:
            pooled, start = _pooled(courses, view, group.comparison.level)
            counts += pooled.n_K.tolist()
            entry = group.entry(member.arm.label, [member], *([courses[0].last[view].place.owner] if owners else []))
            bands.append(_band(entry, member, pooled, start, _lost(courses, view)))
    kept = [course for course in shown if course.run.info.diverged_at is None] or shown
    note = sentences(
        f"{titled(view, {place.state for place in places})}, {after([course.last[view].step for course in kept])}.",
        spread_words(counts, group.comparison.level, "shaded"),
        group.counts(),
        "The median is over the seeds that did not diverge." if len(kept) < len(shown) else "",
    )
    floor = None if all(course.run.info.dtype == "float64" for course in shown) else FLOORS["float32"]
    words = Words(xlabel=view.xlabel, ylabel=view.unit, note=note, levels={}, ends=ENDS)
    return draw_bands(bands, words, scale=Scale(view.log, floor), lost=LOST)


def _pooled(courses: Sequence[Course], view: CurveView, level: float) -> tuple[Pooled, int]:
    """Over the runs that did not diverge; and where along the curve it begins."""
    parts = [measured(course.last[view]) for course in courses if course.run.info.diverged_at is None]
    start = max((first for first, _ in parts), default=0)
    rows = rows_of([values[start - first :] for first, values in parts]) if parts else np.empty((0, 0))
    return pool(rows, level), start


def _band(entry: str, member: Member, pooled: Pooled, start: int, lost: list[Curve]) -> Band:
    curve = Curve(entry, pooled.median_K, start + np.arange(len(pooled.median_K)), member.arm.look)
    return Band(curve, pooled.low_K, pooled.high_K, lost)


def _lost(courses: Sequence[Course], view: CurveView) -> list[Curve]:
    """The last curves that are known of the runs that diverged."""
    found = [measured(course.last[view]) for course in courses if course.run.info.diverged_at is not None]
    return [Curve("", values, first + np.arange(len(values))) for first, values in found]
