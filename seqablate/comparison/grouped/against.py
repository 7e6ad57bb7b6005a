"""Success, and the metric, against a setting that is a number, such as the length of the sequences."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from seqablate.comparison.group import Group, Member, fitting, levels, sentences, spread_words
from seqablate.comparison.picture import Picture, slug
from seqablate.comparison.result import ArmResult
from seqablate.comparison.settings import headings, settings
from seqablate.config.flat import shown
from seqablate.figures.bands import Band
from seqablate.figures.bars import Axis, draw_bars
from seqablate.figures.curve import ENDS, Curve
from seqablate.figures.paper import Words
from seqablate.figures.scale import Scale
from seqablate.figures.styles import Look
from seqablate.statistics.interval import Interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHARES = Scale(log=False)
LARGEST = 1e300


def pictures(group: Group) -> Iterator[Picture]:
    """For each such setting a picture of the solved shares, if there is a goal, and one of the metric."""
    for key in group.comparison.factors:
        having = [member for member in group.members if _is_number(member.arm.config.get(key))]
        if len({member.arm.config[key] for member in having}) < 2:
            continue
        lines = _lines(group.comparison.factors, key, having)
        notes = [f"{member.arm.label}: has no number as {key}" for member in group.members if member not in having]
        name = headings(group.comparison.factors)[key]
        if all(member.arm.solved for member in having):
            yield Picture(stem=slug(f"solved-against-{name}"), draw=partial(_solved, group, key, lines), notes=notes)
        stem = slug(f"{group.comparison.scale.name}-against-{name}")
        yield Picture(stem=stem, draw=partial(_value, group, key, lines), notes=notes)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < LARGEST  # false for NaN, and for integers beyond floats


@dataclass(frozen=True, slots=True)
class Line:
    """The arms that differ in nothing but the setting, in its order; their label and look without it."""

    label: str
    look: Look
    members: list[Member]


def _lines(factors: Sequence[str], key: str, having: Sequence[Member]) -> list[Line]:
    position = factors.index(key)
    found: dict[tuple[str, Look], list[Member]] = defaultdict(list)
    for member in having:
        others = {other: value for other, value in member.arm.config.items() if other != key}
        look = tuple(value for number, value in enumerate(member.arm.look) if number != position)
        found[", ".join(settings(others)), look or (0,)].append(member)
    return [
        Line(label, look, sorted(members, key=lambda member: float(member.arm.config[key])))
        for (label, look), members in found.items()
    ]


def _solved(group: Group, key: str, lines: Sequence[Line]) -> Figure:
    note = f"Share of {group.noun}s that solved the task; bars: {100 * group.comparison.level:g} % interval (Wilson)."
    bands = [_band(group, key, line, lambda arm: arm.solved) for line in lines]
    words = _words(group, key, f"solved (share of {group.noun}s)", note, {})
    return draw_bars(bands, _axis(key, lines), words, scale=SHARES, span=(0.0, 1.0))


def _value(group: Group, key: str, lines: Sequence[Line]) -> Figure:
    scale = group.comparison.scale
    bands = [_band(group, key, line, _value_or_range) for line in lines]
    counts = (member.arm.value.n for line in lines for member in line.members)
    note = spread_words(counts, group.comparison.level, "bars")
    infinite = "half of the seeds diverged" if scale.split else "the median is infinite"
    words = _words(group, key, scale.label, note, levels(chance=scale.chance, goal=scale.goal), infinite)
    values = np.concatenate([band.curve.y for band in bands])
    return draw_bars(bands, _axis(key, lines), words, scale=fitting(values, scale.lower_is_better))


def _value_or_range(arm: ArmResult) -> Interval:
    """The median with its interval; with the smallest and the largest value of too few runs for one."""
    values = [line.value for line in arm.runs if line.value is not None and not math.isnan(line.value)]
    if arm.value.low is not None or not values:
        return arm.value
    return replace(arm.value, low=min(values), high=max(values))


def _band(group: Group, key: str, line: Line, of: Callable[[ArmResult], Interval | None]) -> Band:
    """The numbers of a line's arms; NaN for those that there are not."""
    found = [of(member.arm) for member in line.members]
    low, middle, high = (
        np.array([math.nan if one is None or (value := getattr(one, name)) is None else value for one in found])
        for name in ("low", "estimate", "high")
    )
    x = np.array([float(member.arm.config[key]) for member in line.members])
    return Band(Curve(group.entry(line.label, line.members), middle, x, line.look), low, high)


def _axis(key: str, lines: Sequence[Line]) -> Axis:
    values = sorted({member.arm.config[key] for line in lines for member in line.members})
    return Axis(values=[float(value) for value in values], words=[shown(value) for value in values])


def _words(group: Group, key: str, ylabel: str, note: str, levels: dict[str, float], infinite: str = "") -> Words:
    ends = ENDS | dict.fromkeys(("overflow", "negative"), infinite)
    return Words(xlabel=key, ylabel=ylabel, note=sentences(note, group.counts()), levels=levels, ends=ends)
