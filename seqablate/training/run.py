"""A run is made in a new folder, or an unfinished one is taken up again."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from datetime import datetime
from importlib import import_module
from pathlib import Path

from seqablate.config.codec import digest, to_plain
from seqablate.config.schema import TrainConfig
from seqablate.errors import RunFailure, UsageError
from seqablate.record.folder import RunFolder, create_run_folder
from seqablate.record.identity import changes
from seqablate.record.info import read_info, write_info
from seqablate.record.reader import read_record
from seqablate.record.rows import Header, ResumeRow
from seqablate.record.schema import RunInfo
from seqablate.record.writer import RecordWriter
from seqablate.training.checkpoint import checkpoint_name
from seqablate.training.facts import fingerprint_of, header_row, summary
from seqablate.training.parts import Parts
from seqablate.training.session import Ending, Reporter, Session, one_line
from seqablate.training.start import find_start
from seqablate.training.state import TrainState


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
        return Session(folder, parts, header, writer, reporter).work(state)


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
                f"{folder.path} is {info.standing}: there is nothing to resume; seqablate rebuild makes its views again"
            )
        record = read_record(folder.path, info.digest)
        _check_parts(folder, record.header, parts)
        start = find_start(folder, record, parts)
        warnings = [*start.warnings, *_changed(folder, info, parts)]
        state = TrainState() if start.saved is None else TrainState.from_dict(start.saved, parts)
        name = None if start.saved is None else checkpoint_name(state.step)
        writer.append(ResumeRow(step=state.step, checkpoint=name, fingerprint=fingerprint_of(parts)))
        session = Session(folder, parts, record.facts, writer, reporter, start.committed)
        return session.work(state, [f"{warning}; going on from step {state.step}" for warning in warnings])


def default_name(config: TrainConfig) -> str:
    """Date, time, task, model, clip and seed: ``20261122-093000-adding-lstm-norm-s0``."""
    plain = to_plain(config)
    parts = [plain[group]["name"] for group in ("task", "model", "clip")]
    return "-".join([datetime.now().strftime("%Y%m%d-%H%M%S"), *parts, f"s{config.seed}"])


def _check_parts(folder: RunFolder, header: Header, parts: Parts) -> None:
    """Whether what was built now is what the run was begun with (UsageError)."""
    if header.digest != digest(parts.config):
        raise UsageError(f"{folder.record}: the digest in its header is not that of {folder.config}")
    if header.data_sha256 != parts.task.fingerprint:
        raise UsageError(f"the data of {folder.path} have changed since it began: put them back to resume it")
    if (name := header.metric.name) != (expected := parts.task.metrics[0].name):
        raise UsageError(f"{folder.record}: metric.name in its header is {name!r}; the task's is {expected!r}")


def _changed(folder: RunFolder, info: RunInfo, parts: Parts) -> list[str]:
    """A warning when the rest of a run is computed by other code, or by other versions of packages."""
    changed = changes(folder.path, info, parts.config)
    return [] if changed is None else [f"what computes this run has changed since it began: {changed}"]


def _import_views() -> None:
    """Load what the end of a run needs, now: where memory or files run short later, its views would be lost.

    Raises:
        RunFailure: it cannot be loaded.
    """
    try:
        for name in ("pyarrow.parquet", "matplotlib.figure", "matplotlib.backends.backend_agg", "PIL.PngImagePlugin"):
            import_module(name)
    except (ImportError, OSError, MemoryError) as error:
        raise RunFailure(f"cannot load what a run needs: {one_line(error)}") from error
