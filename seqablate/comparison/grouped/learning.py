"""Learning curves: the metric on evaluation data over training, the median of each arm with its band."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from seqablate.comparison.course import Course
from seqablate.comparison.group import Group, Member, fitting, levels, sentences, spread_words
from seqablate.comparison.learning import Learning, learning
from seqablate.comparison.picture import Picture
from seqablate.figures.bands import Band, draw_bands
from seqablate.figures.curve import ENDS, Curve
from seqablate.figures.paper import Words
from seqablate.text import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 10.0
LOST = "a seed diverged"
KEEPS = "A run that stopped early keeps its last value."
WORST = "From where it diverged, a run counts as the worst."
HALF = "half of the seeds have diverged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What the curves are of, and the levels that all runs have in common."""

    name: str
    lower_is_better: bool
    levels: dict[str, float]

    @property
    def worst(self) -> float:
        return math.inf if self.lower_is_better else -math.inf


def pictures(group: Group) -> Iterator[Picture]:
    """One picture, if all runs have the same metric."""
    metric = _metric(group)
    if metric is None:
        return
    pairs = [(m, learning(m.courses, metric.name, metric.worst, group.comparison.level)) for m in group.members]
    found = [(member, one) for member, one in pairs if one is not None]
    notes = [f"{member.arm.label}: {metric.name} was never evaluated" for member, one in pairs if one is None]
    if found:
        yield Picture(stem="learning", draw=partial(_draw, group, metric, found), notes=notes)


def _metric(group: Group) -> Metric | None:
    """The metric that the comparison is by, or that of the runs' tasks where it is by something else."""
    scale = group.comparison.scale
    if scale.split is not None:
        both = levels(chance=scale.chance, goal=scale.goal)
        return Metric(name=scale.name, lower_is_better=scale.lower_is_better, levels=both)
    metrics = [run.info.metric for run in group.runs]
    if len({metric.name for metric in metrics}) != 1:
        return None
    return Metric(name=metrics[0].name, lower_is_better=metrics[0].lower_is_better, levels={})


def _draw(group: Group, metric: Metric, found: Sequence[tuple[Member, Learning]]) -> Figure:
    bands = [_band(group, member, one, metric) for member, one in found]
    done = {run.info.step for run in group.runs if run.info.diverged_at is None}
    values = np.concatenate([*(band.curve.y for band in bands), list(metric.levels.values())])
    roof = _roof(metric, bands)
    note = sentences(
        spread_words((n for _, one in found for n in one.pool.n_K.tolist()), group.comparison.level, "shaded"),
        group.counts(),
        KEEPS if len(done) > 1 else "",
        WORST if any(band.lost for band in bands) else "",
        f"Values above {number(roof)} leave the picture." if (values[np.isfinite(values)] > roof).any() else "",
    )
    words = Words(
        xlabel="training step",
        ylabel=f"{metric.name} on evaluation data",
        note=note,
        levels=metric.levels,
        ends=ENDS | dict.fromkeys(("overflow", "negative"), HALF),
    )
    return draw_bands(bands, words, scale=fitting(values, metric.lower_is_better), lost=LOST, roof=roof)


def _roof(metric: Metric, bands: Sequence[Band]) -> float:
    """So many times the error at the beginning, or of chance, leaves the picture: it would flatten all other curves."""
    if not metric.lower_is_better:
        return math.inf
    first = [float(band.curve.y[0]) for band in bands if len(band.curve.y)]
    return MOST * max((value for value in [*first, *metric.levels.values()] if 0 < value < math.inf), default=math.inf)


def _band(group: Group, member: Member, found: Learning, metric: Metric) -> Band:
    curve = Curve(group.entry(member.arm.label, [member]), found.pool.median_K, found.steps_K, member.arm.look)
    return Band(curve, found.pool.low_K, found.pool.high_K, [_lost(course, metric) for course in member.diverged])


def _lost(course: Course, metric: Metric) -> Curve:
    """The curve of a run that diverged, which ends at the worst value."""
    end = course.run.info.diverged_at or 0
    own = {step: found[metric.name] for step, found in sorted(course.evals.items()) if metric.name in found}
    before = {step: value for step, value in own.items() if step < end}
    return Curve("", np.array([*before.values(), metric.worst]), np.array([*before, end]))
