"""Runs side by side that were not computed by the same code: which of them are older, and what has changed since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from seqablate.record.identity import PACKAGES, RESUMED
from seqablate.record.run import Run


def other_code(runs: Sequence[Run]) -> list[str | None]:
    """For each run one thing that computed it and that has another content in a newer run beside it, or None.

    Runs of different variants are computed by different files; only a file that two runs share can differ. Of every
    file and package the newest run that has it decides.

    Returns:
        ``"seqablate/clip/norm.py"``, ``"torch 2.12.1 (now 2.13.0)"`` or that the run was resumed by other code.
    """
    newest: dict[str, str | None] = {}
    for run in sorted(runs, key=lambda run: run.info.started):
        newest |= _computing(run)
    return [_other(run, newest) for run in runs]


def _computing(run: Run) -> dict[str, str | None]:
    """Hashes of files and versions of packages, by name."""
    return run.record.header.sources | {package: run.info.versions.get(package) for package in PACKAGES}


def _other(run: Run, newest: Mapping[str, str | None]) -> str | None:
    for name, found in _computing(run).items():
        if found != newest[name]:
            return f"{name} {found} (now {newest[name]})" if name in PACKAGES else name
    return RESUMED if run.info.fingerprint != run.record.header.fingerprint else None
