"""run.json: the run in a page, always whole, readable without parsing the record."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from seqablate.errors import RunFailure, UsageError
from seqablate.record.rows import VERSION, loose, strict
from seqablate.record.writer import being_written

NAME = "run.json"


def write_info(run_dir: Path, info: dict[str, Any]) -> None:
    """Replace run.json as a whole, or not at all (RunFailure)."""
    temporary = run_dir / f".{NAME}"  # one name, so that killed writers leave one file at most
    try:
        with temporary.open("w") as file:
            json.dump(strict(info), file, indent=1, allow_nan=False)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(run_dir / NAME)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise RunFailure(f"cannot write {run_dir / NAME}: {error.strerror}") from error


def read_info(run_dir: Path) -> dict[str, Any]:
    """run.json, its status as it is now: ``killed`` where it says ``running`` and nobody is.

    Raises:
        UsageError: missing, damaged, or of another version of seqablate.
    """
    path = run_dir / NAME
    try:
        info: dict[str, Any] = loose(json.loads(path.read_text()))
        if (version := info.get("version", VERSION)) != VERSION:
            raise UsageError(f"{path} is of record version {version}; this seqablate reads version {VERSION}")
        if info["status"] == "running" and not being_written(run_dir / "record.jsonl"):
            info["status"] = "killed"
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} is damaged") from error
    return info
