"""The document's own diagnostic, installed as another package's: measured, recorded and shown like ours."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import seqablate
from seqablate.assemble import build_task, read_overrides

README = Path(seqablate.__file__).parent / "diagnostics" / "README.md"
WORDS = [
    *("model=rnn", "model.hidden_size=5", "task.length=10", "dtype=float64", "device=cpu", "batch_size=4"),
    *("steps=2", "eval.every=2", "eval.size=6", "probe.every=1"),
]
K = 3
LIVE = """
import io, sys
from rich.console import Console
from seqablate.assemble import assemble, read_overrides
from seqablate.report import live
from seqablate.training.run import start_run
live.REFRESH = 0  # every row is drawn
console = Console(force_terminal=True, width=100, file=io.StringIO())
start_run(assemble(read_overrides(sys.argv[1:])), live.LiveReporter(console), ["seqablate", "train", *sys.argv[1:]])
print(console.file.getvalue())
"""


def python(site: Path | None, *words: str, cwd: Path) -> str:
    path = {} if site is None else {"PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [sys.executable, *words], cwd=cwd, env=os.environ | path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A folder as pip leaves it."""
    folder = tmp_path_factory.mktemp("site")
    (code,) = re.findall(r"```python\n(from dataclasses.*?)```", README.read_text(), re.DOTALL)
    (folder / "my_diagnostics.py").write_text(code)
    info = folder / "my_diagnostics-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-diagnostics\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[seqablate.variants]\njacobian = my_diagnostics\n")
    return folder


@pytest.fixture(scope="module")
def run(site, tmp_path_factory) -> tuple[seqablate.Run, str]:
    """A run that was measured with it, and what the terminal showed meanwhile."""
    folder = tmp_path_factory.mktemp("run")
    added = ["+diagnostic=jacobian", f"diagnostic.jacobian.largest={K}", "output_dir=.", "name=run"]
    shown = python(site, "-c", LIVE, *WORDS, *added, cwd=folder)
    return seqablate.load_run(folder / "run"), shown


def singular_values(run: seqablate.Run) -> np.ndarray:
    """[T, K] means over the samples: diag(1 - h_t^2) W_hh of every timestep, in a plain loop."""
    (checkpoint,) = sorted(run.path.glob("checkpoints/*.pt"))[-1:]
    parameters = torch.load(checkpoint, weights_only=True)["model"]
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    W_ih, W_hh, b_ih, b_hh = (
        next(p.numpy() for name, p in parameters.items() if name.endswith(f"forward_cell.{end}")) for end in names
    )
    x_TBI = next(build_task(read_overrides(WORDS)).eval_batches("evaluation")).x.astype(np.float64)
    found = np.zeros((len(x_TBI), K))
    for b in range(x_TBI.shape[1]):
        h = np.zeros(len(W_hh))
        for t, x in enumerate(x_TBI[:, b]):
            h = np.tanh(W_ih @ x + b_ih + W_hh @ h + b_hh)
            found[t] += np.linalg.svd(np.diag(1 - h**2) @ W_hh, compute_uv=False)[:K] / x_TBI.shape[1]
    return found


def test_its_values_are_those_of_a_plain_loop_in_the_record_and_in_parquet(run):
    recorded = [signal for signal in run[0].record.signals if signal.quantity == "jacobian"]
    assert [(signal.step, signal.at.tolist()) for signal in recorded] == [(0, [1, 2, 3]), (2, [1, 2, 3])]
    wanted = singular_values(run[0])
    np.testing.assert_allclose(recorded[-1].values, wanted, rtol=1e-8)
    table = pyarrow.parquet.read_table(run[0].path / "signals.parquet").to_pandas().query("quantity == 'jacobian'")
    last = table[table["step"] == 2].sort_values(["index", "at"])["value"].to_numpy()
    np.testing.assert_allclose(last.reshape(wanted.shape), wanted, rtol=1e-8)


def test_it_is_shown_on_tensorboard_by_show_on_the_live_terminal_and_in_the_help(run, site):
    recorded, live = run
    assert "heatmap/jacobian" in EventAccumulator(str(recorded.path)).Reload().Tags()["images"]
    assert "singular value of dh(t)/dh(t-1)" in live
    shown = python(site, "-m", "seqablate", "show", "run", "--out", "out", cwd=recorded.path.parent)
    assert "show-jacobian.png" in shown
    assert (recorded.path.parent / "out" / "show-jacobian.png").stat().st_size > 5000
    page = python(site, "-m", "seqablate", "train", "--help", "+diagnostic=jacobian", cwd=recorded.path.parent)
    assert re.search(r"\* diagnostic=jacobian +Largest singular values .* \(package my-diagnostics\)", page)
    assert re.search(r"diagnostic.jacobian.largest=4 +how many singular values", page)


def test_a_run_is_shown_without_the_package_as_well(run):
    shown = python(None, "-m", "seqablate", "show", "run", "--out", "bare", cwd=run[0].path.parent)
    assert "show-signal-jacobian-2d.png" in shown
