"""A run from its folder to its end: started or resumed, with every way of ending recorded."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import torch

from seqablate.config.codec import digest, to_plain
from seqablate.config.schema import TrainConfig
from seqablate.errors import RunFailure, UsageError
from seqablate.record.events.view import EventView, rebuild_events
from seqablate.record.folder import RunFolder, create_run_folder
from seqablate.record.info import read_info, write_info
from seqablate.record.reader import read_record
from seqablate.record.rows import EndRow, Header, ProgressRow, ResumeRow, Row
from seqablate.record.schema import RunInfo, Status, Summary, part
from seqablate.record.table import write_signals
from seqablate.record.writer import RecordWriter
from seqablate.training.checkpoint import checkpoint_name, prune, save_checkpoint
from seqablate.training.facts import header_row, summary
from seqablate.training.interrupt import Interruption
from seqablate.training.loop import Diverged, run_loop
from seqablate.training.parts import Parts
from seqablate.training.start import find_start
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


def start_run(parts: Parts, reporter: Reporter, command: list[str]) -> Ending:
    """Make a new run folder and train in it.

    Raises:
        UsageError: the output folder cannot be written.
        RunFailure: the run could not go on; its folder says ``failed`` and why.
    """
    _import_views()
    config, state = parts.config, TrainState()
    folder = create_run_folder(Path(config.output_dir), config.name or default_name(config))
    header = header_row(folder.name, parts, command)
    with ExitStack() as stack:
        try:
            folder.write_config(to_plain(config))
            write_info(folder.path, RunInfo.of(header, summary(state, "running")))
            writer = stack.enter_context(RecordWriter(folder.record, new=True))
            writer.append(header)
        except BaseException as error:
            shutil.rmtree(folder.path, ignore_errors=True)  # nothing has been recorded in it yet
            if isinstance(error, UsageError):  # the folder could be made: the request was right
                raise RunFailure(str(error)) from error
            raise
        return _Session(folder, parts, header, writer, reporter).work(state)


def resume_run(folder: RunFolder, parts: Parts, reporter: Reporter) -> Ending:
    """Go on from the newest whole checkpoint of an unfinished run, or from the start where none was committed yet.

    Nothing is written before everything in the folder has been read and checked.

    Raises:
        UsageError: the run is finished, has diverged, is damaged, or another process is writing it.
        RunFailure: as :func:`start_run`.
    """
    _import_views()
    with RecordWriter(folder.record) as writer:  # holds the lock: from here on nobody else writes
        info = read_info(folder.path)
        if info.status in ("done", "diverged"):
            raise UsageError(
                f"{folder.path} is {info.status} at step {info.step}: there is nothing to resume; "
                "seqablate rebuild makes its views again"
            )
        record = read_record(folder.path, info.digest)
        _check_parts(folder, record.header, parts)
        start = find_start(folder, record, parts)
        session = _Session(folder, parts, record.header, writer, reporter, start.committed)
        state = TrainState() if start.saved is None else TrainState.from_dict(start.saved, parts)
        name = None if start.saved is None else checkpoint_name(state.step)
        writer.append(ResumeRow(step=state.step, checkpoint=name))
        return session.work(state, [f"{warning}; going on from step {state.step}" for warning in start.warnings])


def default_name(config: TrainConfig) -> str:
    """Date, time, task, model, clip and seed: ``20261122-093000-adding-lstm-norm-s0``."""
    plain = to_plain(config)
    parts = [plain[group]["name"] for group in ("task", "model", "clip")]
    return "-".join([datetime.now().strftime("%Y%m%d-%H%M%S"), *parts, f"s{config.seed}"])


class _Session:
    """One process's work on a run: the journal of the loop, and the summary that goes with it."""

    def __init__(
        self,
        folder: RunFolder,
        parts: Parts,
        header: Header,
        writer: RecordWriter,
        reporter: Reporter,
        committed: Iterable[int] = (),
    ) -> None:
        self.folder = folder
        self.parts = parts
        self.header = header
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
        write_info(self.folder.path, RunInfo.of(self.header, summary))

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
            write_info(self.folder.path, RunInfo.of(self.header, self._account(state, "running")))
            self._tell("begin", self.folder.path, self.parts, state)
            for warning in warnings:
                self._tell("warn", warning)
            return self._work(state)
        except BaseException as error:
            self._fail(state, error)
            if isinstance(error, OSError | UsageError):  # whatever it is, the run had begun
                raise RunFailure(_one_line(error)) from error
            raise

    def _work(self, state: TrainState) -> Ending:
        message: str | None = None
        status: Status
        with Interruption() as interruption, _threads(self.parts.config.threads):
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
        info = RunInfo.of(self.header, summary)
        write_info(self.folder.path, info)
        self._tell("end", self.folder.path, info)

    def _fail(self, state: TrainState, error: BaseException) -> None:
        """Say in the record and run.json that and why the run failed, if the disk still lets us."""
        status: Status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        summary = self._account(state, status, _one_line(error))
        info = RunInfo.of(self.header, summary)
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


def _check_parts(folder: RunFolder, header: Header, parts: Parts) -> None:
    """Whether what was built now is what the run was begun with (UsageError)."""
    if header.digest != digest(parts.config):
        raise UsageError(f"{folder.record}: the digest in its header is not that of {folder.config}")
    if header.data_sha256 != parts.task.fingerprint:
        raise UsageError(f"the data of {folder.path} have changed since it began: put them back to resume it")
    if (name := header.metric.name) != (expected := parts.task.metrics[0].name):
        raise UsageError(f"{folder.record}: metric.name in its header is {name!r}; the task's is {expected!r}")


def _import_views() -> None:
    """Load what the end of a run needs, now: where memory or files run short later, its views would be lost.

    Raises:
        RunFailure: it cannot be loaded.
    """
    try:
        for name in ("pyarrow.parquet", "matplotlib.figure", "matplotlib.backends.backend_agg", "PIL.PngImagePlugin"):
            import_module(name)
    except (ImportError, OSError, MemoryError) as error:
        raise RunFailure(f"cannot load what a run needs: {_one_line(error)}") from error


def _one_line(error: BaseException) -> str:
    """What happened, without line breaks."""
    what = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else str(error)
    return " ".join(what.split()) or type(error).__name__


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """CPU threads of this run; what the process had is put back."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
