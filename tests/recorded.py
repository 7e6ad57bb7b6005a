"""Rows of a record and a run.json written by hand: everything that is declared, so that a test changes one thing."""

from __future__ import annotations

import json
from typing import Any

from seqablate.record.rows import ForeignRow, Row, encode
from seqablate.record.schema import RunInfo
from seqablate.shape import fitting

DIGEST = "0" * 64
METRIC = {"name": "mse", "chance": 1 / 6, "goal": 0.01, "lower_is_better": True, "unit": "", "source": ""}
FACTS = {
    "version": 7, "name": "run", "digest": DIGEST, "seed": 0, "command": ["seqablate", "train"], "git_commit": None,
    "versions": {}, "device": "cpu", "backend": "compiled", "threads": 1, "dtype": "float32", "started": "today",
    "parameters": 10, "metric": METRIC, "baselines": {}, "test_baselines": {}, "data_sha256": None,
    "fingerprint": DIGEST,
}  # fmt: skip
SUMMARY = {
    "status": "done", "step": 3, "message": None, "ended": None, "measured_step": None, "final": None, "best": None,
    "solved_at": None, "lost_at": None, "refuted": 0, "confirmation": None, "test": None, "decay": [],
    "clipped_share": None, "regularized_share": None, "skipped": 0, "guesses": 0, "length": None, "at_lengths": [],
    "seconds": {"total": 0.0, "train": 0.0, "eval": 0.0},
}  # fmt: skip


def raw(values: dict[str, Any]) -> ForeignRow:
    """A row as it is, whatever its kind declares."""
    return ForeignRow(values["kind"], {key: value for key, value in values.items() if key != "kind"})


def as_json(row: Row) -> Any:
    """A row as it stands in the record."""
    return json.loads(encode(row))


def header(**new: Any) -> dict[str, Any]:
    return {"kind": "header", **FACTS, "config": {}, "sources": {}, **new}


def info(**new: Any) -> dict[str, Any]:
    return {**FACTS, **SUMMARY, **new}


def run_info(**new: Any) -> RunInfo:
    """run.json as it is read."""
    return fitting(info(**new), RunInfo)


def train_row(step: int, **new: Any) -> dict[str, Any]:
    row = {"kind": "train", "step": step, "loss": 1.0, "grad_norm": 1.0, "grad_norm_clipped": 1.0}
    return row | {"update_ratio": 0.1, "lr": 0.01, "clipped": 0} | new


def eval_row(step: int, **metrics: float) -> dict[str, Any]:
    return {
        "kind": "eval",
        "step": step,
        "loss": 1.0,
        "metrics": {"mse": 1.0} | metrics,
        "solved": False,
        "length": None,
    }


def commit_row(step: int, **new: Any) -> dict[str, Any]:
    row = {"kind": "commit", "step": step, "checkpoint": f"step_{step:08d}.pt", "sha256": DIGEST, "bytes": 1}
    return row | new


def resume_row(step: int | None, **new: Any) -> dict[str, Any]:
    checkpoint = None if step is None else f"step_{step:08d}.pt"
    return {"kind": "resume", "step": step or 0, "checkpoint": checkpoint, "fingerprint": DIGEST} | new
