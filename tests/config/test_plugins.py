"""Another package's variants, installed as they would be: the README's own example, under a real entry point."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parents[2] / "README.md").read_text()
PACKAGE, BAG = re.findall(r"```python\n(from dataclasses.*?)```", README, re.DOTALL)
FAST = ["steps=3", "eval.every=3", "eval.size=20", "probe.every=1", "batch_size=4"]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A folder as pip leaves it: modules, and the metadata that names them."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "my_variants.py").write_text(PACKAGE)
    (folder / "bag.py").write_text(BAG)
    (folder / "broken.py").write_text("raise OSError('no such thing')\n")
    info = folder / "my_variants-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-variants\nVersion: 0.1\n")
    modules = ["my_variants", "bag", "broken"]
    lines = ["[seqablate.variants]", *(f"{name} = {name}" for name in modules)]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return folder


def seqablate(site: Path | None, *words: str, cwd: Path) -> subprocess.CompletedProcess:
    path = {} if site is None else {"PYTHONPATH": str(site)}
    command = [sys.executable, "-m", "seqablate", *words]
    return subprocess.run(command, cwd=cwd, env=os.environ | path, capture_output=True, text=True, timeout=120)


def test_the_readmes_model_and_task_are_trained_probed_recorded_and_shown(site, tmp_path):
    words = [
        "model=leaky",
        "task=majority",
        "task.length=6",
        "model.leak=0.3",
        "model.num_layers=2",
        "model.skip=residual",
    ]
    done = seqablate(site, "train", *words, *FAST, "name=run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "leaky (hidden_size=64, num_layers=2" in done.stdout
    assert "accuracy (share of sequences): chance 0.5" in done.stdout
    assert '"my-variants": "0.1"' in (tmp_path / "outputs/run/run.json").read_text()
    # Shown without the package; resuming or loading needs it, and says so.
    shown = seqablate(None, "show", "outputs/run", cwd=tmp_path)
    assert shown.returncode == 0
    assert "Lag curve" in shown.stdout
    again = seqablate(None, "resume", "outputs/run", cwd=tmp_path)
    assert again.returncode == 2
    assert len(again.stderr.splitlines()) == 1
    assert "leaky" in again.stderr
    assert "not installed" in again.stderr


def test_the_readmes_model_without_recurrences_is_recorded_where_it_says(site, tmp_path):
    done = seqablate(site, "train", "model=bag", "task.length=12", *FAST, "name=run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    code = "import seqablate; s = seqablate.load_run('outputs/run').signals; print(s.groupby(['axis', 'layer']).size())"
    table = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60
    ).stdout
    assert re.search(r"timestep +0 ", table)
    assert re.search(r"layer +0 ", table)


def test_models_are_listed_and_what_could_not_be_loaded_is_named_where_it_is_missed(site, tmp_path):
    listed = seqablate(site, "models", cwd=tmp_path)
    assert listed.returncode == 0, listed.stderr
    complaint = "my-variants (broken) could not be loaded: OSError: no such thing"
    assert complaint in listed.stdout
    assert re.search(r"leaky +4,417 +adding +h ", listed.stdout)
    missed = seqablate(site, "train", "model=brokn", cwd=tmp_path)
    assert missed.returncode == 2
    assert complaint in missed.stderr
    assert len(missed.stderr.splitlines()) == 1
