"""The Python face of the product: train, resume, load and compare runs."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seqablate.config.codec import from_plain
from seqablate.config.schema import Backend as BackendName
from seqablate.config.schema import TrainConfig
from seqablate.errors import RunFailure, UsageError
from seqablate.record.folder import open_run_folder
from seqablate.record.run import Run as RecordedRun

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from seqablate.comparison.arms.answer import Answer
    from seqablate.training.parts import Parts
    from seqablate.training.session import Ending, Reporter


class Run(RecordedRun):
    """A recorded run, and (with torch) the model that it trained. See :class:`seqablate.record.run.Run`."""

    def load_model(self) -> torch.nn.Module:
        """The model with the parameters of the newest whole checkpoint, on the CPU.

        Nothing in the run folder is executed: the config selects installed code, the checkpoint is tensors only.

        Raises:
            UsageError: there is no whole checkpoint, the data have changed, or the config needs something that is not
                installed.
        """
        from seqablate.assemble import build_model, build_task, load_variants
        from seqablate.training.checkpoint import newest_whole
        from seqablate.training.saved import fits_model

        load_variants()
        config = read_config(self)
        commits = self.record.commits
        task = build_task(config)
        if task.fingerprint != self.info.data_sha256:
            raise UsageError(f"the data of {self.path} have changed since it began: its model no longer fits them")
        model = build_model(config, task)
        saved, damaged = newest_whole(self.folder.checkpoints, commits, lambda state: fits_model(state, model))
        if saved is None:
            why = f": damaged are {', '.join(damaged)}" if damaged else ""
            raise UsageError(f"{self.folder.checkpoints} has no whole checkpoint to load a model from{why}")
        model.load_state_dict(saved["model"])
        return model


def train(overrides: list[str] | None = None, *, quiet: bool = True) -> Run:
    """Train one run, as ``seqablate train`` does, and return it.

    Args:
        overrides: override words, such as ``["model=gru", "steps=500"]``.
        quiet: print nothing.

    Raises:
        UsageError: something is wrong with the request; nothing has been written.
        RunFailure: the run could not go on.
        KeyboardInterrupt: after Ctrl-C, once the run has been saved.

    Example:
        >>> run = train(["model=rnn", "task.length=10", "steps=20", "eval.every=10"])
        >>> len(run.metrics["eval_mse"].dropna())  # at steps 0, 10 and 20
        3
    """
    from seqablate.assemble import read_overrides

    if isinstance(overrides, str):
        raise UsageError(f"train takes a list of override words: [{overrides!r}]")
    words = list(overrides or [])
    config = read_overrides(words)
    ending = run_config(config, ["seqablate", "train", *words], quiet=quiet)
    if ending.signum == signal.SIGINT:
        raise KeyboardInterrupt
    return load_run(ending.path)


def load_run(path: str | Path) -> Run:
    """A recorded run; needs no torch (UsageError when ``path`` is not a run folder)."""
    open_run_folder(path)
    return Run(path)


def load_runs(*paths: str | Path) -> pd.DataFrame:
    """Every run in some folders that can be read, as one table: a row a run, with its settings, status and results.

    Columns are the keys of the config (``model``, ``optim.lr``), and what came of a run: see
    :func:`seqablate.comparison.frame.runs_frame`. Needs no torch.

    Raises:
        UsageError: a folder does not exist, or there is no readable run in any of them.
    """
    from seqablate.comparison.find import find_runs
    from seqablate.comparison.frame import runs_frame

    return runs_frame(find_runs(paths)[0])


def compare(
    *paths: str | Path,
    by: Sequence[str] | None = None,
    where: Sequence[str] = (),
    baseline: Sequence[str] = (),
    metric: str | None = None,
) -> Answer:
    """Compare arms of runs, pooled over their seeds, as ``seqablate compare`` does. Needs no torch.

    Args:
        paths: folders of runs or of sweeps.
        by, where, baseline, metric: see :func:`seqablate.comparison.arms.compare.compare_runs`.

    Raises:
        UsageError: a folder does not exist, no run is left, or a setting that no run has.
    """
    from seqablate.comparison.arms.answer import Answer
    from seqablate.comparison.arms.compare import compare_runs
    from seqablate.comparison.find import find_runs, without_runs
    from seqablate.comparison.result import LeftOut
    from seqablate.sweep.growth import not_begun, requests_of

    runs, left_out = find_runs(paths)
    left_out += without_runs(paths)
    left_out += [LeftOut(path=str(folder), why="planned, and not begun") for folder in not_begun(paths)]
    requests = requests_of([run.path for run in runs])
    found = compare_runs(
        runs, by=by, where=where, baseline=baseline, metric=metric, requests=requests, left_out=left_out
    )
    return Answer(found, runs)


def read_config(run: RecordedRun) -> TrainConfig:
    """The config of a recorded run, checked as when it was composed (UsageError names the file)."""
    plain = run.config
    try:
        return from_plain(plain)
    except UsageError as error:
        raise UsageError(f"{run.folder.config}: {error}") from error


def run_config(
    config: TrainConfig,
    command: list[str],
    *,
    quiet: bool | None = None,
    watch: Watcher | None = None,
    when_ready: Callable[[], None] | None = None,
) -> Ending:
    """Assemble and train one config in a new run folder.

    Args:
        config: what to run.
        command: the words that asked for it, for run.json.
        quiet: print nothing; None leaves that to the config.
        watch: who is told of the run; None: the terminal.
        when_ready: called when everything is imported and built, just before the run begins.
    """
    from seqablate.assemble import assemble, memory_errors
    from seqablate.training.run import start_run

    watch = watch or _terminal(config.quiet if quiet is None else quiet)
    with memory_errors(UsageError):  # nothing is written yet
        parts = assemble(config)
    with memory_errors(RunFailure):
        _prepare(parts, watch.announce)
        if when_ready:
            when_ready()
        return start_run(parts, watch.reporter, command)


def resume_folder(
    path: str | Path, *, watch: Watcher | None = None, when_ready: Callable[[], None] | None = None
) -> Ending:
    """Resume the run in ``path`` on the device and backend it was started on.

    See :func:`seqablate.training.run.resume_run`, and :func:`run_config` for ``watch`` and ``when_ready``.
    """
    from seqablate.assemble import assemble, load_variants, memory_errors
    from seqablate.training.run import resume_run

    load_variants()
    folder = open_run_folder(path)
    run = RecordedRun(path)
    info, config = run.info, read_config(run)
    config.device = info.device
    if info.backend in BackendName.__members__:  # otherwise the model has several, or none
        config.backend = BackendName[info.backend]
    watch = watch or _terminal(config.quiet)
    with memory_errors(RunFailure):
        parts = assemble(config)
        _prepare(parts, watch.announce)
        if when_ready:
            when_ready()
        return resume_run(folder, parts, watch.reporter)


@dataclass(frozen=True)
class Watcher:
    """Who is told of a run.

    Attributes:
        reporter: gets its rows and its end.
        announce: gets a line when its beginning takes time.
    """

    reporter: Reporter
    announce: Callable[[str], None]


def _terminal(quiet: bool) -> Watcher:
    from seqablate.report.choose import make_reporter
    from seqablate.report.lines import say

    return Watcher(make_reporter(quiet), (lambda line: None) if quiet else say)


def _prepare(parts: Parts, announce: Callable[[str], None]) -> None:
    """Have the recurrences' kernels ready before the clock runs, and say so when that takes time."""
    from seqablate.engine.setup import prepare
    from seqablate.training.interrupt import Interruption

    def compiling(kernels: str) -> None:
        announce(f"compiling the {kernels} (about 10 s, once per machine)")

    # A compiler that is interrupted leaves pages of traceback; nothing is written yet, so Ctrl-C can wait for it.
    with Interruption() as interruption:
        prepare(parts.model, compiling, parts.clip.inside(1))
    if interruption.signum == signal.SIGINT:
        raise KeyboardInterrupt
    if interruption.signum:
        signal.raise_signal(interruption.signum)  # it does now what it would have done then
