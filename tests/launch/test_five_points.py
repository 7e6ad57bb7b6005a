"""What a sweep that can be resumed needs, in the five points of hydra #3328 (July 2026): a test for each."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from seqablate.sweep.claims import Claims
from seqablate.sweep.folder import open_sweep
from seqablate.sweep.standing import standings

ROOMS = Path(__file__).parents[2] / "seqablate"
TASK = next(
    code
    for code in re.findall(
        r"```python\n(from dataclasses.*?)```", (ROOMS / "tasks" / "README.md").read_text(), re.DOTALL
    )
)
FAST = [
    "task=majority",
    "task.length=6",
    "model.hidden_size=4",
    "steps=4",
    "eval.every=4",
    "eval.size=20",
    "batch_size=4",
]
SWEEP = ["train", "-m", *FAST, "device=cpu", "seed=0,1", "jobs=2", "name=s"]


@pytest.fixture
def site(tmp_path) -> Path:
    """Another package's task, as pip leaves it: a module, and the metadata that name it."""
    folder = tmp_path / "site"
    info = folder / "my_task-0.1.dist-info"
    info.mkdir(parents=True)
    (folder / "my_task.py").write_text(TASK)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-task\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[seqablate.variants]\nmy_task = my_task\n")
    return folder


def call(site: Path, *words: str) -> subprocess.CompletedProcess:
    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "seqablate", *words]
    environment = os.environ | {"PYTHONPATH": path}
    return subprocess.run(command, cwd=site.parent, env=environment, capture_output=True, text=True, timeout=240)


def started(site: Path) -> dict[str, str]:
    """When each run of the sweep began."""
    found = (site.parent / "outputs" / "s").glob("[!.]*/run.json")
    return {path.parent.name: json.loads(path.read_text())["started"] for path in found}


@pytest.mark.slow
def test_hydra_3328_identity_a_run_is_its_config_and_the_code_that_computes_it(site):
    """The config's digest does not change when the formula of a package does."""
    assert call(site, *SWEEP).returncode == 0
    before, kept = started(site), (site.parent / "outputs/s/seed=0/record.jsonl").read_bytes()
    (site / "my_task.py").write_text(TASK + "\n# another formula\n")
    refused = call(site, *SWEEP)
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "my_task.py" in refused.stderr
    assert "s/seed=0" in refused.stderr
    assert started(site) == before
    used = call(site, *SWEEP, "sweep.stale=keep")
    assert used.returncode == 0, used.stderr
    assert "kept as it is: s/seed=0" in used.stderr
    assert started(site) == before
    again = call(site, *SWEEP, "sweep.stale=rerun")
    assert again.returncode == 0, again.stderr
    assert "2 of 2 runs done" in again.stdout
    assert (site.parent / "outputs/s/.stale/seed=0-1/record.jsonl").read_bytes() == kept
    assert (
        len(json.loads(call(site, "show", "--json", "outputs/s").stdout)["runs"]) == 2
    )  # what was put aside is not shown
    assert call(site, *SWEEP).returncode == 0


@pytest.mark.slow
def test_hydra_3328_lifecycle_the_state_of_a_run_is_read_from_its_folder(site):
    assert call(site, *SWEEP).returncode == 0
    folder = open_sweep(site.parent / "outputs" / "s")
    assert [found.standing for found in standings(folder)] == ["done", "done"]
    info = json.loads((folder.path / "seed=1" / "run.json").read_text())
    for status, standing in [("interrupted", "interrupted"), ("failed", "failed"), ("running", "killed")]:
        (folder.path / "seed=1" / "run.json").write_text(json.dumps(info | {"status": status}))
        assert [found.standing for found in standings(folder)] == ["done", standing]
    (folder.path / "seed=1" / "run.json").unlink()
    assert [found.standing for found in standings(folder)] == ["done", "pending"]


@pytest.mark.slow
def test_hydra_3328_unique_numbering_no_run_ever_gets_the_folder_of_another(site):
    """The same swept values, with another budget: other runs."""
    assert call(site, *SWEEP).returncode == 0
    before = started(site)
    done = call(site, *SWEEP, "steps=5")
    assert done.returncode == 0, done.stderr
    after = started(site)
    assert {name: after[name] for name in before} == before
    assert sorted(set(after) - set(before)) == ["seed=0,steps=5", "seed=1,steps=5"]


@pytest.mark.slow
def test_hydra_3328_compatibility_another_version_in_the_record_is_named(site):
    assert call(site, *SWEEP).returncode == 0
    path = site.parent / "outputs" / "s" / "seed=1" / "run.json"
    info = json.loads(path.read_text())
    info["versions"]["torch"], info["fingerprint"] = "2.12.1", "0" * 64
    path.write_text(json.dumps(info))
    done = call(site, *SWEEP)
    assert done.returncode == 2
    assert "s/seed=1" in done.stderr
    assert "torch 2.12.1 (now " in done.stderr


@pytest.mark.slow
def test_hydra_3328_concurrent_workers_share_the_runs_and_train_none_twice(site):
    words = [*SWEEP, "seed=range(6)"]
    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    starts = [
        subprocess.Popen(
            [sys.executable, "-m", "seqablate", *words], cwd=site.parent, env=os.environ | {"PYTHONPATH": path},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    for process in starts:
        _, complaint = process.communicate(timeout=240)
        assert process.returncode == 0, complaint
    log = Claims(site.parent / "outputs/s/.claims", "test").log()
    done = [claim.run for claim in log if claim.release.status == "done"]
    assert sorted(done) == sorted(set(done)) == [f"seed={n}" for n in range(6)]
    assert len(started(site)) == 6
