"""What a worker tells of its runs while they go on: small plain messages, which fit a pipe."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from seqablate.text import condense

if TYPE_CHECKING:
    from seqablate.record.rows import Row
    from seqablate.record.schema import RunInfo
    from seqablate.report.watch import Watch
    from seqablate.training.parts import Parts
    from seqablate.training.state import TrainState

MOST_TEXT = 2400  # bytes: a whole event stays below 4 kB, which a pipe takes at once
MOST_CURVE = 40  # values
PERIOD = 0.2  # seconds between two events of a run that goes on
Kind = Literal["begin", "progress", "end", "note"]


@dataclass(frozen=True)
class Event:
    """Something that happened to one run of a sweep.

    Attributes:
        kind: ``begin`` when training begins, ``progress`` while it goes on, ``end`` whatever the end is, ``note`` for a
            warning or a traceback.
        run: name of the run in the plan.
        worker: who has it.
        step: updates made.
        steps: the run's budget.
        text: of ``progress`` the result so far, of ``end`` the outcome, of ``note`` what is to be said.
        curve: a gradient norm over timesteps or layers, at most 40 values; empty where nothing is measured.
        status: at the end, that of run.json; else "".
        seconds: at the end, what the run took over all processes that worked on it.
    """

    kind: Kind
    run: str
    worker: str = ""
    step: int = 0
    steps: int = 0
    text: str = ""
    curve: tuple[float, ...] = ()
    status: str = ""
    seconds: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", _fitting(self.text))
        object.__setattr__(self, "curve", self.curve[:MOST_CURVE])


def print_event(event: Event) -> None:
    """The end of a run, or a note, as a line of its own."""
    from seqablate.report.lines import say

    if event.kind in ("end", "note"):
        say(f"{event.run}: {event.text}")


class WorkerReporter:
    """The reporter of one run in a worker: it sends events (see :class:`seqablate.training.session.Reporter`).

    Args:
        send: takes an event to whoever watches. An OSError (nobody does any more) is for the caller, which goes on
            without a reporter.
        run: name of the run in the plan.
        worker: who has it.
    """

    def __init__(self, send: Callable[[Event], object], run: str, worker: str) -> None:
        self.send = send
        self.run = run
        self.worker = worker
        self.watch: Watch | None = None
        self.sent = 0.0

    def begin(self, path: Path, parts: Parts, state: TrainState) -> None:
        from seqablate.report.watch import Watch

        self.watch = Watch(parts, state)
        self.send(self._event("begin", _result(self.watch)))

    def row(self, row: Row) -> None:
        if self.watch is None:
            return
        self.watch.row(row)
        if time.perf_counter() - self.sent >= PERIOD:
            self.sent = time.perf_counter()
            self.send(self._event("progress", _result(self.watch)))

    def warn(self, message: str) -> None:
        self.send(self._event("note", f"warning: {message}"))

    def end(self, path: Path, info: RunInfo) -> None:
        from seqablate.report.outcome import outcome

        event = self._event("end", outcome(info))
        self.send(replace(event, status=info.status, step=info.step, seconds=info.seconds.total))

    def _event(self, kind: Kind, text: str) -> Event:
        step, steps, curve = (0, 0, ()) if self.watch is None else _progress(self.watch)
        return Event(kind, self.run, self.worker, step, steps, text, curve)


def _progress(watch: Watch) -> tuple[int, int, tuple[float, ...]]:
    """The step, the budget, and the first of the curves that are shown of a run on a terminal."""
    curve = watch.curve
    return watch.step, watch.parts.config.steps, () if curve is None else condense(curve, MOST_CURVE)


def _result(watch: Watch) -> str:
    """The last evaluation; before the first one the training loss."""
    return watch.result if watch.eval is not None else watch.training[0]


def _fitting(text: str) -> str:
    """The middle of a long text is left out, in bytes: of a traceback both ends matter."""
    data = text.encode("utf-8", "replace")
    if len(data) <= MOST_TEXT:
        return text
    half = MOST_TEXT // 2 - 2
    return f"{data[:half].decode(errors='ignore')}...{data[-half:].decode(errors='ignore')}"
