"""What a page shows of one run's record: its evaluations, and its curves before some moments of the training.

A thousand records are read for one page, so every record is read once, and only what will be shown is decoded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from seqablate.comparison.course import decoded, results, standing_curves
from seqablate.comparison.curves import measured
from seqablate.comparison.learning import MOST_POINTS
from seqablate.diagnostics import load_views
from seqablate.record.reader import Unread
from seqablate.record.rows import EvalRow, SignalRow
from seqablate.record.run import Run
from seqablate.signals import Signal
from seqablate.signals.view import Curve as CurveView
from seqablate.signals.view import declared


@dataclass(frozen=True, slots=True)
class Piece:
    """A curve as it was measured at one step of the training, thinned.

    Attributes:
        step: when.
        owner: the state that it is of: h, c, encoder c.
        start: the place along the curve of its first value.
        stride: places between two values.
        values_K: the values.
    """

    step: int
    owner: str
    start: int
    stride: int
    values_K: np.ndarray


@dataclass(slots=True)
class Story:
    """What a page shows of a run.

    Attributes:
        evals: the results of each evaluation, ``loss`` among them, by step.
        pieces: for each kind of curve those that were the last before some moment, in their order.
    """

    run: Run
    evals: dict[int, dict[str, float]] = field(default_factory=dict)
    pieces: dict[CurveView, list[Piece]] = field(default_factory=dict)

    def piece_at(self, view: CurveView, moment: int) -> Piece | None:
        """The last curve of its kind at a moment; None before the first, and after a run's end, unless it is done."""
        if self.run.status != "done" and moment > self.run.info.step:
            return None
        return next((piece for piece in reversed(self.pieces.get(view, ())) if piece.step <= moment), None)


def read_story(run: Run, moments: Sequence[int]) -> Story:
    """Read a run's record (UsageError where it cannot be read).

    Args:
        run: whose.
        moments: increasing training steps; the curves of the last measurement up to each of them are kept.
    """
    story = Story(run)
    for signals in _last_before(_signals(story), moments):
        for view, standing in standing_curves(signals).items():
            story.pieces.setdefault(view, []).append(_piece(standing))
    return story


def _signals(story: Story) -> Iterator[Unread]:
    """The signals of a run that may be shown; its evaluations are put into the story on the way."""
    shown: dict[str, bool] = {}
    for unread in story.run.record.unread(EvalRow, SignalRow):
        if unread.quantity:
            if unread.quantity not in shown:
                shown[unread.quantity] = _may_be_shown(unread.quantity)
            if shown[unread.quantity]:
                yield unread
        elif isinstance(row := unread.read(), EvalRow):
            story.evals[row.step] = results(row)


def _may_be_shown(quantity: str) -> bool:
    """Not what is of secondary interest, and no matrices."""
    load_views({quantity})
    return all(isinstance(view, CurveView) and not view.aside for view in declared() if view.quantity == quantity)


def _last_before(rows: Iterable[Unread], moments: Sequence[int]) -> Iterator[list[Signal]]:
    """The signals of each quantity's last measurement up to each moment, each measurement once."""
    left = list(reversed(moments))
    waiting: dict[str, list[Unread]] = {}  # by quantity: the rows of its last measurement so far
    for row in rows:
        if left and row.step > left[-1]:
            yield from _released(waiting)
            while left and row.step > left[-1]:
                left.pop()
        if not left:
            continue  # for what else is done with the rows
        if row.quantity not in waiting or waiting[row.quantity][0].step != row.step:
            waiting[row.quantity] = []
        waiting[row.quantity].append(row)
    yield from _released(waiting)


def _released(waiting: dict[str, list[Unread]]) -> Iterator[list[Signal]]:
    """The signals that wait, which they do no longer."""
    for rows in waiting.values():
        yield decoded(rows)
    waiting.clear()


def _piece(signal: Signal) -> Piece:
    """The signal without what was never measured, thinned."""
    start, values = measured(signal)
    stride = stride_for(len(values), MOST_POINTS)
    return Piece(signal.step, signal.place.owner, start, stride, values[::stride])


def stride_for(length: int, most: int) -> int:
    """The smallest power of 2 that leaves at most so many of ``length`` values.

    Example:
        >>> stride_for(200, 200), stride_for(201, 200), stride_for(1000, 200)
        (1, 2, 8)
    """
    stride = 1
    while -(-length // stride) > most:
        stride *= 2
    return stride
