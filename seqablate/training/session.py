"""One process's work on a run: where its rows go, who watches it, and how every way of ending is recorded."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from seqablate.engine.precision import full_precision
from seqablate.engine.threads import using_threads
from seqablate.errors import RunFailure, UsageError
from seqablate.record.events.view import EventView, rebuild_events
from seqablate.record.folder import RunFolder
from seqablate.record.info import write_info
from seqablate.record.reader import read_record
from seqablate.record.rows import EndRow, ProgressRow, Row
from seqablate.record.schema import Facts, RunInfo, Status, Summary, part
from seqablate.record.table import write_signals
from seqablate.record.writer import RecordWriter
from seqablate.training.checkpoint import prune, save_checkpoint
from seqablate.training.facts import summary
from seqablate.training.interrupt import Interruption
from seqablate.training.loop import Diverged, run_loop
from seqablate.training.parts import Parts
from seqablate.training.state import TrainState


class Reporter(Protocol):
    """Whoever watches a run. Calls come in this order: begin, then rows and warnings, then end."""

    def begin(self, path: Path, parts: Parts, state: TrainState) -> None: ...

    def row(self, row: Row) -> None: ...

    def warn(self, message: str) -> None: ...

    def end(self, path: Path, info: RunInfo) -> None: ...


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended: its folder, its status, and the signal that arrived meanwhile, if one did.

    A signal that comes when the run is ending anyway leaves its status as it is.
    """

    path: Path
    status: Status
    signum: int | None = None


class Session:
    """One process's work on a run: the journal of the loop, and the summary that goes with it."""

    def __init__(
        self,
        folder: RunFolder,
        parts: Parts,
        facts: Facts,
        writer: RecordWriter,
        reporter: Reporter,
        committed: Iterable[int] = (),
    ) -> None:
        self.folder = folder
        self.parts = parts
        self.facts = facts
        self.writer = writer
        self.reporter: Reporter | None = reporter
        self.committed = set(committed)  # steps whose checkpoints are this run's own
        self.view: EventView | None = None
        self.started = time.perf_counter()

    def rows(self, rows: Sequence[Row]) -> None:
        self._record(rows)
        for row in rows:
            self._tell("row", row)

    def progress(self, state: TrainState) -> None:
        summary = self._account(state, "running")
        self._record([ProgressRow(**part(Summary, summary))])
        self._events.flush()
        write_info(self.folder.path, RunInfo.of(self.facts, summary))

    def commit(self, state: TrainState) -> None:
        self._account(state, "running")
        row = save_checkpoint(self.folder.checkpoints, state.step, state.to_dict(self.parts))
        self.writer.append(row)
        self.writer.sync()
        self.committed.add(state.step)
        prune(self.folder.checkpoints, state.step, self.parts.config.checkpoint.keep, self.committed)

    @property
    def _events(self) -> EventView:
        """TensorBoard's view: rebuilt from the record when this process first needs it."""
        if self.view is None:
            self.view = rebuild_events(self.folder.path, read_record(self.folder.path))
        return self.view

    def work(self, state: TrainState, warnings: Sequence[str] = ()) -> Ending:
        """Train to an end of some kind and record it."""
        try:
            write_info(self.folder.path, RunInfo.of(self.facts, self._account(state, "running")))
            self._tell("begin", self.folder.path, self.parts, state)
            for warning in warnings:
                self._tell("warn", warning)
            return self._work(state)
        except BaseException as error:
            self._fail(state, error)
            if isinstance(error, OSError | UsageError):  # whatever it is, the run had begun
                raise RunFailure(one_line(error)) from error
            raise

    def _work(self, state: TrainState) -> Ending:
        message: str | None = None
        status: Status
        with Interruption() as interruption, using_threads(self.parts.config.threads), full_precision():
            try:
                status = run_loop(self.parts, state, self, interruption)
            except Diverged as error:
                status, message = "diverged", str(error)
                state.step = error.step + 1  # what was trained after it does not count
            self._close(state, status, message)
        return Ending(self.folder.path, status, interruption.signum)

    def _close(self, state: TrainState, status: Status, message: str | None) -> None:
        """Views first, status last: a run that says ``done`` has everything, whenever its process was killed."""
        summary = self._account(state, status, message)
        self._record([EndRow(**part(Summary, summary))])
        self.writer.sync()
        write_signals(self.folder.path, read_record(self.folder.path).stream_signals())
        self._events.finish(summary)
        info = RunInfo.of(self.facts, summary)
        write_info(self.folder.path, info)
        self._tell("end", self.folder.path, info)

    def _fail(self, state: TrainState, error: BaseException) -> None:
        """Say in the record and run.json that and why the run failed, if the disk still lets us."""
        status: Status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        summary = self._account(state, status, one_line(error))
        info = RunInfo.of(self.facts, summary)
        with suppress(RunFailure):
            self.writer.append(EndRow(**part(Summary, summary)))
        with suppress(RunFailure):
            write_info(self.folder.path, info)
        with suppress(RunFailure):
            if self.view is not None:
                self.view.flush()
        self._tell("end", self.folder.path, info)

    def _record(self, rows: Sequence[Row]) -> None:
        events = self._events  # first, or it would be rebuilt from a record that has these rows already
        self.writer.append_many(rows)
        for row in rows:
            events.add(row)

    def _tell(self, call: str, *arguments: Any) -> None:
        """Report something; a terminal or a log that has gone never fails a run."""
        try:
            if self.reporter is not None:
                getattr(self.reporter, call)(*arguments)
        except OSError:
            self.reporter = None

    def _account(self, state: TrainState, status: Status, message: str | None = None) -> Summary:
        """The run's summary, its clock set to now."""
        now = time.perf_counter()
        state.progress.spend("total", now - self.started)
        self.started = now
        return summary(state, status, message)


def one_line(error: BaseException) -> str:
    """What happened, without line breaks."""
    what = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else str(error)
    return " ".join(what.split()) or type(error).__name__
