"""The course of a run: its evaluations, and the curves that stand for it.

A thousand records may be read for one picture, so only what is shown is decoded.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from seqablate.diagnostics import load_views
from seqablate.record.reader import Unread
from seqablate.record.rows import EvalRow, SignalRow
from seqablate.record.run import Run
from seqablate.signals import Signal
from seqablate.signals.view import Curve as CurveView
from seqablate.signals.view import standing_for_run, view_of

KEPT = 4  # measurements: the last one of a run that diverged may hold nothing but NaN
Evals = Mapping[int, Mapping[str, float]]  # loss and metrics of every evaluation, by training step


@dataclass(frozen=True, slots=True)
class Course:
    """What pictures of arms take from a run's record.

    Attributes:
        evals: its evaluations.
        last: for each kind of curve the one that stands for the run, as it was last measured.
    """

    run: Run
    evals: Evals
    last: Mapping[CurveView, Signal]


def read_course(run: Run) -> Course:
    """Read a run's record (UsageError where it cannot be read)."""
    return Course(run, evaluations(run), _last_curves(run))


def evaluations(run: Run) -> Evals:
    """Loss and metrics of every evaluation, by training step."""
    rows = (unread.read() for unread in run.record.unread(EvalRow))
    return {row.step: results(row) for row in rows if isinstance(row, EvalRow)}


def results(row: EvalRow) -> dict[str, float]:
    """Loss and metrics of an evaluation."""
    return {"loss": row.loss, **row.metrics}


def standing_curves(signals: Iterable[Signal]) -> dict[CurveView, Signal]:
    """For each kind of curve among the signals of one measurement the one that stands for the run.

    Curves of secondary interest, and those in which nothing is known, are left out.
    """
    signals = list(signals)
    load_views({signal.quantity for signal in signals})
    found: dict[CurveView, list[Signal]] = defaultdict(list)
    for signal in signals:
        view = view_of(signal)
        if isinstance(view, CurveView) and not view.aside and signal.known:
            found[view].append(signal)
    standing = {view: standing_for_run(group) for view, group in found.items()}
    return {view: signal for view, signal in standing.items() if signal is not None}


def _last_curves(run: Run) -> dict[CurveView, Signal]:
    """The curves of the last measurement of each quantity in which anything is known."""
    measured: dict[str, deque[tuple[int, list[Unread]]]] = defaultdict(lambda: deque(maxlen=KEPT))
    for unread in run.record.unread(SignalRow):
        kept = measured[unread.quantity]
        if not kept or kept[-1][0] != unread.step:
            kept.append((unread.step, []))
        kept[-1][1].append(unread)
    found: dict[CurveView, Signal] = {}
    for kept in measured.values():
        curves = (standing_curves(decoded(rows)) for _, rows in reversed(kept))
        found |= next(filter(None, curves), {})
    return found


def decoded(rows: Iterable[Unread]) -> list[Signal]:
    """The signals among some rows of a record."""
    return [row.signal for unread in rows if isinstance(row := unread.read(), SignalRow)]
