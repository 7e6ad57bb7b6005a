"""Another package's variants, installed as they would be: the documents' own example, under a real entry point."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOMS = Path(__file__).parents[2] / "seqablate"
LEAKY, BAG, MAJORITY = (
    code
    for room in ("models", "tasks")
    for code in re.findall(r"```python\n(from dataclasses.*?)```", (ROOMS / room / "README.md").read_text(), re.DOTALL)
)
FAST = ["steps=3", "eval.every=3", "eval.size=20", "probe.every=1", "batch_size=4"]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A folder as pip leaves it: modules, and the metadata that names them."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "my_variants.py").write_text(f"{LEAKY}\n\n{MAJORITY}")
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
    path = {} if site is None else {"PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-m", "seqablate", *words]
    return subprocess.run(command, cwd=cwd, env=os.environ | path, capture_output=True, text=True, timeout=120)


def test_the_documents_model_and_task_are_trained_probed_recorded_and_shown(site, tmp_path):
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
    assert "Gradient of" in shown.stdout
    again = seqablate(None, "resume", "outputs/run", cwd=tmp_path)
    assert again.returncode == 2
    assert len(again.stderr.splitlines()) == 1
    assert "leaky" in again.stderr
    assert "not installed" in again.stderr


@pytest.mark.slow
def test_the_documents_model_without_recurrences_is_recorded_where_it_says(site, tmp_path):
    done = seqablate(site, "train", "model=bag", "task.length=12", *FAST, "name=run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    counts = "s.groupby(['quantity', 'layer'], dropna=False, observed=True)['index'].nunique()"
    code = f"import seqablate; s = seqablate.load_run('outputs/run').signals; print({counts})"
    table = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60
    ).stdout
    assert re.search(r"total +0 +12\n", table)  # the first layer at every timestep
    assert re.search(r"layer +<NA> +2\n", table)  # and both layers


def test_models_are_listed_and_what_could_not_be_loaded_is_named_where_it_is_missed(site, tmp_path):
    listed = seqablate(site, "models", cwd=tmp_path)
    assert listed.returncode == 0, listed.stderr
    complaint = "my-variants (broken) could not be loaded: OSError: no such thing"
    assert complaint in listed.stdout
    assert re.search(r"leaky +4,417 +adding +h ", listed.stdout)
    assert "leak=0.1" in listed.stdout
    missed = seqablate(site, "train", "model=brokn", cwd=tmp_path)
    assert missed.returncode == 2
    assert complaint in missed.stderr
    assert len(missed.stderr.splitlines()) == 1


def test_a_key_of_another_package_is_checked_and_explained_as_ours_are(site, tmp_path):
    refused = seqablate(site, "train", "model=leaky", "model.leak=-0.5", cwd=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr == "seqablate: model.leak=-0.5: must be a positive finite number\n"
    page = seqablate(site, "train", "--help", "model=leaky", cwd=tmp_path).stdout
    assert re.search(r"^  \* model=leaky +Leaky units.* \(package my-variants\)$", page, re.MULTILINE)
    assert re.search(r"^    model\.leak=0\.1 +share of h that is replaced at each timestep$", page, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import sys\nsys.exit()", "SystemExit: it exits when it is imported"),
        ("raise RuntimeError('first line\\nsecond')", "RuntimeError: first line"),
    ],
)
def test_a_package_that_cannot_be_imported_is_named_in_one_line_and_passed_over(code, said, tmp_path):
    site = make_site(tmp_path, code)
    done = seqablate(site, "train", *FAST, "task.length=10", "model.hidden_size=4", "name=run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("seqablate: bad-variants (bad_module) could not be loaded: ")
    assert said in line


def test_a_package_that_claims_a_name_that_is_taken_is_passed_over_whole_and_the_name_is_refused(tmp_path):
    code = (
        "from dataclasses import dataclass\nfrom seqablate.extend import ModelConfig, variant\n"
        "for name in ('mine', 'lstm'):\n"
        "    @variant('model', name)\n    @dataclass\n    class Config(ModelConfig):\n        pass\n"
    )
    site = make_site(tmp_path, code)
    for word, named in (("model=lstm", "model=lstm is already registered"), ("model=mine", "choose from cnn, gru")):
        refused = seqablate(site, "train", word, cwd=tmp_path)
        assert refused.returncode == 2
        (line,) = refused.stderr.splitlines()
        assert "bad-variants (bad_module) is passed over" in line
        assert named in line
    assert seqablate(site, "train", "--cfg", "job", "model=gru", cwd=tmp_path).returncode == 0


def make_site(tmp_path: Path, code: str) -> Path:
    """A folder with one package that names one module."""
    site = tmp_path / "site"
    info = site / "bad_variants-0.1.dist-info"
    info.mkdir(parents=True)
    (site / "bad_module.py").write_text(code + "\n")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bad-variants\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[seqablate.variants]\nbad = bad_module\n")
    return site
