"""Run folders written by hand, so that every number in a table or a curve is known."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import recorded
import yaml

from seqablate.record.run import Run
from seqablate.signals import fit_decay


def signal_row(values, step=100, quantity="lag", state="h", layer=0) -> dict:
    loss_step = "last" if quantity == "lag" else "all"
    return {
        "kind": "signal", "step": step, "quantity": quantity, "part": "rnn", "layer": layer, "direction": "forward",
        "state": state, "loss_step": loss_step, "at": None, "values": np.array(values, dtype=float).tolist(),
    }  # fmt: skip


@pytest.fixture
def signal():
    """A signal's row of the record, from its values."""
    return signal_row


@pytest.fixture
def make_run(tmp_path):
    """make_run("a", seed=1, factor=0.5, model={"name": "rnn"}) -> Run of a folder under tmp_path/runs."""

    def make(
        name: str, *, seed: int = 0, factor: float = 0.5, info: dict | None = None, rows=None, files=None, **config
    ) -> Run:
        path: Path = tmp_path / "runs" / name
        path.mkdir(parents=True)
        plain = {"model": {"name": "lstm", "hidden_size": 8}, "clip": {"name": "none"}, "steps": 100, "seed": seed}
        plain |= {"name": name, "output_dir": str(tmp_path / name), "quiet": seed % 2 == 0} | config
        (path / "config.yaml").write_text(yaml.safe_dump(plain, sort_keys=False))
        curve = factor ** np.arange(6.0)
        if rows is None:
            rows = [signal_row(curve), signal_row(curve[::-1], quantity="total"), signal_row(2 * curve, step=0)]
            rows.sort(key=lambda row: row["step"])
        lines = [recorded.header(name=name, config=plain, sources=files or {}), *rows]
        (path / "record.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        place = {"part": "rnn", "quantity": "lag", "layer": 0, "direction": "forward"}
        fit, cell = (place | asdict(fit_decay(f ** np.arange(6.0))) for f in (factor, 0.99))
        summary = recorded.info() | {
            "name": name, "status": "done", "seed": seed, "step": 100, "message": None, "solved_at": 40,
            "metric": {"name": "mse", "chance": 1 / 6, "goal": 0.01, "lower_is_better": True, "unit": "", "source": ""},
            "final": {"loss": 0.0037, "mse": 0.0037}, "clipped_share": 0.25,
            "seconds": {"total": 12.5, "train": 10.0, "eval": 2.5},
            "decay": [{**fit, "state": "h"}, {**cell, "state": "c"}],
        } | (info or {})  # fmt: skip
        (path / "run.json").write_text(json.dumps(summary))
        return Run(path)

    return make
