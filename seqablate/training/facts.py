"""What a run says of itself: the facts known when it begins, and the summary of its results so far.

Both are rows of the record, and together they are run.json.
"""

from __future__ import annotations

import platform
import subprocess
from datetime import UTC, datetime

from seqablate.config.codec import digest, to_plain
from seqablate.config.plugins import plugin_versions
from seqablate.record.identity import fingerprint, package_version, package_versions
from seqablate.record.rows import Header, strict
from seqablate.record.schema import VERSION, Status, Summary
from seqablate.record.sources import sources
from seqablate.training.parts import Parts
from seqablate.training.state import TrainState


def header_row(name: str, parts: Parts, command: list[str]) -> Header:
    """The record's first row: what is known before the first step."""
    config = parts.config
    return Header(
        version=VERSION,
        name=name,
        digest=digest(config),
        seed=config.seed,
        command=command,
        git_commit=_git_commit(),
        versions={
            "python": platform.python_version(),
            "seqablate": package_version("seqablate"),
            **package_versions(),
            **plugin_versions(),
        },
        device=str(parts.device),
        backend=parts.backend,
        threads=config.threads,
        dtype=config.dtype.value,
        started=_now(),
        parameters=parts.parameter_count,
        metric=parts.task.metrics[0],
        baselines=parts.task.baselines,
        test_baselines=parts.task.test_baselines,
        data_sha256=parts.task.fingerprint,
        fingerprint=fingerprint_of(parts),
        config=strict(to_plain(config)),
        sources=sources(config),
    )


def fingerprint_of(parts: Parts) -> str:
    """Of what computes a run in this process."""
    return fingerprint(parts.config, parts.task.fingerprint, str(parts.device))


def summary(state: TrainState, status: Status, message: str | None = None) -> Summary:
    """The results so far: the part of run.json that changes."""
    progress, last = state.progress, state.progress.last
    return Summary(
        status=status,
        step=state.step,
        message=message,
        ended=None if status == "running" else _now(),
        measured_step=None if last is None else last.step,
        final=None if last is None else {"loss": last.loss, **last.metrics},
        best=progress.best,
        solved_at=progress.solved_at,
        lost_at=progress.lost_at,
        refuted=progress.refuted,
        confirmation=progress.confirmation,
        test=progress.test,
        decay=progress.decay,
        clipped_share=progress.clipped / state.step if state.step else None,
        skipped=progress.skipped,
        guesses=progress.guesses,
        regularized_share=progress.regularized / state.step if state.step else None,
        seconds=progress.seconds,
        length=progress.length,
        at_lengths=progress.at_lengths,
    )


def _git_commit() -> str | None:
    """The commit checked out where the command was given, so that one's own code can be found again."""
    try:
        answer = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
