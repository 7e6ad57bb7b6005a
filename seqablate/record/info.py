"""run.json: the run in a page, always whole, readable without parsing the record."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from seqablate.errors import UsageError
from seqablate.record.files import read_bytes, replacing
from seqablate.record.rows import strict
from seqablate.record.schema import VERSION, RunInfo
from seqablate.record.writer import being_written
from seqablate.shape import Misfit, fitting

NAME = "run.json"
LARGEST = 1 << 24  # bytes; a net of a thousand layers has a fiftieth of them


def write_info(run_dir: Path, info: RunInfo) -> None:
    """Replace run.json as a whole, or not at all (RunFailure)."""
    with replacing(run_dir / NAME) as file:
        file.write(json.dumps(strict(info), indent=1, allow_nan=False).encode())


def read_info(run_dir: Path) -> RunInfo:
    """run.json, its status as it is now: ``killed`` where it says ``running`` and nobody is.

    Raises:
        UsageError: as :func:`recorded_info`.
    """
    return with_status(run_dir, recorded_info(run_dir))


def with_status(run_dir: Path, info: RunInfo) -> RunInfo:
    """What run.json says, with the status as it is now."""
    if info.status == "running" and not being_written(run_dir / "record.jsonl"):
        return replace(info, status="killed")
    return info


def recorded_info(run_dir: Path) -> RunInfo:
    """run.json as it was written.

    Raises:
        UsageError: missing, damaged, or of another version of seqablate; the message names the key.
    """
    path = run_dir / NAME
    try:
        raw = json.loads(read_bytes(path, LARGEST))
        _check_version(path, raw)
        info: RunInfo = fitting(raw, RunInfo)
        _check_metric(info)
    except Misfit as error:
        raise UsageError(f"{path} is damaged: {error}") from None
    except (ValueError, RecursionError):
        raise UsageError(f"{path} is damaged: it is no JSON") from None
    return info


def _check_version(path: Path, raw: Any) -> None:
    version = raw.get("version") if isinstance(raw, dict) else None
    if type(version) is int and version != VERSION:
        raise UsageError(f"{path} is of record version {version}; this seqablate reads version {VERSION}")


def _check_metric(info: RunInfo) -> None:
    """Results without the headline metric cannot be shown (Misfit)."""
    name, test = info.metric.name, None if info.test is None else info.test.metrics
    for results, keys in ((info.final, ("final",)), (test, ("test", "metrics"))):
        if results is not None and name not in results:
            raise Misfit(f"has no {name!r}, which metric.name says", keys)
