"""A run from its folder to its end: started or resumed, with every way of ending recorded."""

from __future__ import annotations

import platform
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

import torch

from seqablate.config.codec import digest, to_plain
from seqablate.config.plugins import plugin_versions
from seqablate.config.schema import TrainConfig
from seqablate.errors import RunFailure, UsageError
from seqablate.record.folder import RunFolder, create_run_folder
from seqablate.record.reader import read_record
from seqablate.record.rows import VERSION
from seqablate.record.summary import read_info, write_info
from seqablate.record.tensorboard import EventView, rebuild_events
from seqablate.record.views import write_signals
from seqablate.record.writer import RecordWriter
from seqablate.training.checkpoint import checkpoint_name, newest_whole, prune, save_checkpoint
from seqablate.training.interrupt import Interruption
from seqablate.training.loop import Diverged, run_loop
from seqablate.training.parts import Parts
from seqablate.training.state import TrainState


class Reporter(Protocol):
    """Whoever watches a run. Calls come in this order: begin, then rows and warnings, then end."""

    def begin(self, path: Path, parts: Parts, state: TrainState) -> None: ...

    def row(self, row: dict[str, Any]) -> None: ...

    def warn(self, message: str) -> None: ...

    def end(self, path: Path, info: dict[str, Any]) -> None: ...


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended: its folder, its status, and the signal that arrived meanwhile, if one did.

    A signal that comes when the run is ending anyway leaves its status as it is.
    """

    path: Path
    status: str
    signum: int | None = None


def start_run(parts: Parts, reporter: Reporter, command: list[str]) -> Ending:
    """Make a new run folder and train in it.

    Raises:
        UsageError: the output folder cannot be written.
        RunFailure: the run could not go on; its folder says ``failed`` and why.
    """
    config = parts.config
    folder = create_run_folder(Path(config.output_dir), config.name or default_name(config))
    try:
        folder.write_config(to_plain(config))
        info = _first_info(folder.name, parts, command)
        write_info(folder.path, info)
    except BaseException:
        shutil.rmtree(folder.path)  # nothing has been recorded in it yet
        raise
    with RecordWriter(folder.record) as writer:
        writer.append({"kind": "header", "version": VERSION, "name": folder.name, "digest": info["digest"]})
        return _Session(folder, parts, info, writer, reporter).work(TrainState())


def resume_run(folder: RunFolder, parts: Parts, reporter: Reporter) -> Ending:
    """Go on from the newest whole checkpoint of an unfinished run, or from the start where there is none.

    Raises:
        UsageError: the run is finished, has diverged, or another process is writing it.
        RunFailure: as :func:`start_run`.
    """
    with RecordWriter(folder.record) as writer:  # holds the lock: from here on nobody else writes
        info = read_info(folder.path)
        if info["status"] in ("done", "diverged"):
            raise UsageError(f"{folder.path} is {info['status']} at step {info['step']}: there is nothing to resume")
        if info["data_sha256"] != parts.task.fingerprint:
            raise UsageError(f"the data of {folder.path} have changed since it began: put them back to resume it")
        saved, damaged = newest_whole(folder.checkpoints, read_record(folder.path).commits)
        state = TrainState() if saved is None else TrainState.from_dict(saved, parts)
        name = None if saved is None else checkpoint_name(state.step)
        writer.append({"kind": "resume", "step": state.step, "checkpoint": name})
        warnings = [f"{damaged_name} is damaged; going on from step {state.step}" for damaged_name in damaged]
        return _Session(folder, parts, info, writer, reporter).work(state, warnings)


def default_name(config: TrainConfig) -> str:
    """Date, time, task, model, clip and seed: ``20261122-093000-adding-lstm-norm-s0``."""
    plain = to_plain(config)
    parts = [plain[group]["name"] for group in ("task", "model", "clip")]
    return "-".join([datetime.now().strftime("%Y%m%d-%H%M%S"), *parts, f"s{config.seed}"])


class _Session:
    """One process's work on a run: the journal of the loop, and the summary that goes with it."""

    def __init__(
        self, folder: RunFolder, parts: Parts, info: dict[str, Any], writer: RecordWriter, reporter: Reporter
    ) -> None:
        self.folder = folder
        self.parts = parts
        self.info = info
        self.writer = writer
        self.reporter = reporter
        self.view: EventView | None = None
        self.started = time.perf_counter()

    def rows(self, rows: list[dict[str, Any]]) -> None:
        events = self._events  # first, or it would be rebuilt from a record that has these rows already
        self.writer.append_many(rows)
        for row in rows:
            events.add(row)
            self.reporter.row(row)

    def progress(self, state: TrainState) -> None:
        self._account(state)
        self._summarise(state, "running")
        self._events.flush()

    def commit(self, state: TrainState) -> None:
        self._account(state)
        name, sha256 = save_checkpoint(self.folder.checkpoints, state.step, state.to_dict(self.parts))
        self.writer.commit(state.step, name, sha256)
        prune(self.folder.checkpoints, state.step, self.parts.config.checkpoint.keep)

    @property
    def _events(self) -> EventView:
        """TensorBoard's view: rebuilt from the record when this process first needs it."""
        if self.view is None:
            self.view = rebuild_events(self.folder.path)
        return self.view

    def work(self, state: TrainState, warnings: Sequence[str] = ()) -> Ending:
        """Train to an end of some kind and record it."""
        try:
            self._summarise(state, "running")
            self.reporter.begin(self.folder.path, self.parts, state)
            for warning in warnings:
                self.reporter.warn(warning)
            return self._work(state)
        except BaseException as error:
            self._fail(state, error)
            raise

    def _work(self, state: TrainState) -> Ending:
        message = None
        with Interruption() as interruption, _threads(self.parts.config.threads):
            try:
                status = run_loop(self.parts, state, self, interruption)
            except Diverged as error:
                status, message = "diverged", str(error)
                state.step = error.step + 1  # what was trained after it counts for nothing
            self._close(state, status, message)
        return Ending(self.folder.path, status, interruption.signum)

    def _close(self, state: TrainState, status: str, message: str | None) -> None:
        self._account(state)
        self.writer.append({"kind": "end", "step": state.step, "status": status})
        self.writer.sync()
        record = read_record(self.folder.path)
        write_signals(self.folder.path, record)
        self._summarise(state, status, message)
        self._events.finish(record)
        self.reporter.end(self.folder.path, self.info)

    def _fail(self, state: TrainState, error: BaseException) -> None:
        """Say in run.json that and why the run failed, if the disk still lets us; what is recorded stays."""
        message = " ".join(str(error).split()) or type(error).__name__
        status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        try:
            self._summarise(state, status, message)
            self._events.flush()
        except RunFailure:
            return
        finally:
            self.reporter.end(self.folder.path, self.info | {"status": status, "message": message})

    def _account(self, state: TrainState) -> None:
        now = time.perf_counter()
        state.progress.seconds["total"] += now - self.started
        self.started = now

    def _summarise(self, state: TrainState, status: str, message: str | None = None) -> None:
        progress = asdict(state.progress)
        last = progress.pop("last")
        clipped = progress.pop("clipped")
        del progress["finished"]
        self.info |= progress | {
            "status": status,
            "step": state.step,
            "final": last and {"loss": last["loss"], **last["metrics"]},
            "measured_step": last and last["step"],  # that of "final" and "decay"
            "clipped_share": clipped / state.step if state.step else None,
            "ended": None if status == "running" else _now(),
            "message": message,
        }
        write_info(self.folder.path, self.info)


def _first_info(name: str, parts: Parts, command: list[str]) -> dict[str, Any]:
    config, headline = parts.config, parts.task.metrics[0]
    return {
        "version": VERSION,
        "name": name,
        "status": "running",
        "digest": digest(config),
        "seed": config.seed,
        "command": command,
        "git_commit": _git_commit(),
        "versions": {
            "python": platform.python_version(),
            **{package: _version(package) for package in ("seqablate", "torch", "numpy", "numba")},
            **plugin_versions(),
        },
        "device": str(parts.device),
        "backend": parts.backend,
        "threads": config.threads,
        "dtype": config.dtype.value,
        "started": _now(),
        "step": 0,
        "parameters": parts.parameter_count,
        "metric": asdict(headline),
        "baselines": parts.task.baselines,
        "data_sha256": parts.task.fingerprint,
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # numba may be missing
        return None


def _git_commit() -> str | None:
    """The commit checked out where the command was given, so that one's own code can be found again."""
    try:
        answer = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """CPU threads of this run; what the process had is put back."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
