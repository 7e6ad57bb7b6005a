"""Lag curves, profiles and other curves at several moments of the training, pooled over each arm's seeds."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqablate.comparison.curves import titled
from seqablate.comparison.page.numbers import rounded
from seqablate.comparison.page.reading import Piece, Story
from seqablate.comparison.pool import pool, rows_of
from seqablate.signals.decay import FLOORS
from seqablate.signals.view import Curve as CurveView
from seqablate.signals.view import declared

MOST_MOMENTS = 40
FEWEST_MOMENTS, FEWEST_POINTS = 8, 50  # what remains for however many arms
MOST_NUMBERS = 600_000  # on the page; 6 MB

Arms = Sequence[Sequence[Story]]


@dataclass(frozen=True, slots=True)
class Frame:
    """An arm's curve at one moment.

    Attributes:
        pieces: of the runs that have one.
        diverged: how many runs have diverged by then.
    """

    pieces: list[Piece]
    diverged: int


def moments(last: int, most: int = MOST_MOMENTS) -> list[int]:
    """Steps of a training of ``last`` steps: mostly even, with some near its beginning, where most changes.

    Example:
        >>> moments(100, 10)
        [0, 1, 10, 17, 33, 50, 67, 83, 100]
    """
    early = np.geomspace(1, max(last, 1), max(most // 3, 2)).round()
    even = np.linspace(0, last, most - len(early)).round()
    return sorted({int(step) for step in (*early, *even) if step <= last})


def signal_charts(arms: Arms, moments: Sequence[int], floor_of: str | None, level: float) -> dict[str, Any]:
    """The slider's steps, and for each kind of curve what is drawn at each of them.

    Args:
        arms: the runs of each, read for these moments.
        moments: as they were read for.
        floor_of: the dtype whose floor is drawn; None: none.
        level: of the bands.
    """
    views = _views(arms)
    measured = _measured(arms, views, moments)
    kept, points = _fitting(arms, views, list(measured))
    return {
        "steps": [measured[moment] for moment in kept],
        "charts": [_chart(arms, view, kept, points, floor_of, level) for view in views],
    }


def _views(arms: Arms) -> list[CurveView]:
    """The kinds of curves that any run has: the declared ones in their order, then the others."""
    found = {view for stories in arms for story in stories for view in story.pieces}
    known = [view for view in declared() if isinstance(view, CurveView) and view in found]
    return known + sorted(found.difference(known), key=lambda view: view.tag)


def _pieces(stories: Sequence[Story], views: Sequence[CurveView]) -> Iterator[Piece]:
    return (piece for story in stories for view in views for piece in story.pieces.get(view, ()))


def _measured(arms: Arms, views: Sequence[CurveView], moments: Sequence[int]) -> dict[int, int]:
    """The step of the newest measurement up to each moment, by moment; moments that show nothing new have none."""
    steps = sorted({piece.step for stories in arms for piece in _pieces(stories, views)})
    found: dict[int, int] = {}
    for moment in moments:
        position = bisect_right(steps, moment)
        if position and steps[position - 1] not in found.values():
            found[moment] = steps[position - 1]
    return found


def _fitting(arms: Arms, views: Sequence[CurveView], kept: list[int]) -> tuple[list[int], int]:
    """Fewer moments, then fewer points of a curve, until all numbers fit on the page."""
    widest = [max((len(piece.values_K) for piece in _pieces(stories, views)), default=0) for stories in arms]
    several = [3 if len(stories) > 1 else 1 for stories in arms]  # with a band
    points = max(widest, default=0)

    def numbers() -> int:
        return len(views) * len(kept) * sum(min(w, points) * lines for w, lines in zip(widest, several, strict=True))

    while numbers() > MOST_NUMBERS and len(kept) > FEWEST_MOMENTS:
        kept = sorted({kept[0], *kept[::2], kept[-1]})
    while numbers() > MOST_NUMBERS and points > FEWEST_POINTS:
        points //= 2
    return kept, points


def _chart(
    arms: Arms, view: CurveView, kept: Sequence[int], points: int, floor_of: str | None, level: float
) -> dict[str, Any]:
    """One kind of curve of all arms at all moments, with its words."""
    owners = {piece.owner.split()[-1] for stories in arms for piece in _pieces(stories, [view])}
    return {
        "noun": view.noun,
        "title": titled(view, owners),
        "xlabel": view.xlabel,
        "unit": view.unit,
        "log": view.log,
        "index": view.index,
        "floor": FLOORS[floor_of] if floor_of and view.log else None,
        "arms": [_arm(stories, view, kept, points, level) for stories in arms],
    }


def _arm(
    stories: Sequence[Story], view: CurveView, kept: Sequence[int], points: int, level: float
) -> dict[str, Any] | None:
    """One arm's curves; None where it has none of this kind."""
    frames = [_frame(stories, view, moment) for moment in kept]
    pieces = [piece for frame in frames for piece in frame.pieces]
    if not pieces:
        return None
    start = max(piece.start for piece in pieces)
    stride = max(piece.stride for piece in pieces)
    length = max(len(piece.values_K) * piece.stride for piece in pieces)
    while length // stride > max(points, 1):
        stride *= 2
    return {
        "owner": pieces[0].owner,
        "start": start,
        "stride": stride,
        "frames": [_pooled(frame, start, stride, level, alone=len(stories) == 1) for frame in frames],
    }


def _frame(stories: Sequence[Story], view: CurveView, moment: int) -> Frame:
    ends = [story.run.info.diverged_at for story in stories]
    alive = [story for story, end in zip(stories, ends, strict=True) if end is None or moment < end]
    found = (story.piece_at(view, moment) for story in alive)
    return Frame([piece for piece in found if piece is not None], len(stories) - len(alive))


def _pooled(frame: Frame, start: int, stride: int, level: float, *, alone: bool) -> dict[str, Any]:
    """The median of a frame with its band; a single run has none."""
    counts = {"n": len(frame.pieces), "diverged": frame.diverged}
    if not frame.pieces:
        return counts
    curves = [piece.values_K[(start - piece.start) // piece.stride :: stride // piece.stride] for piece in frame.pieces]
    pooled = pool(rows_of(curves), level)
    lines = {"y": pooled.median_K} if alone else {"y": pooled.median_K, "low": pooled.low_K, "high": pooled.high_K}
    return counts | {name: rounded(values) for name, values in lines.items()}
