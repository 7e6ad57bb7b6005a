"""Hydra's launcher plug-ins start the runs of a sweep; everything else is as without one."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

TINY = ["steps=2", "eval.size=4", "batch_size=2", "model.hidden_size=4", "task.length=10"]


def seqablate(folder, *words):
    command = [sys.executable, "-m", "seqablate", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240)


@pytest.mark.slow
def test_a_launcher_runs_each_arm_once_in_the_folder_of_the_sweep(tmp_path):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    launcher = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    done = seqablate(
        tmp_path, "train", "-m", *TINY, "seed=shuffle(range(2))", "name=été", "output_dir='a b'", *launcher
    )
    assert done.returncode == 0, done.stderr
    assert "2 of 2 runs done" in done.stdout
    runs = [json.loads(path.read_text()) for path in sorted((tmp_path / "a b" / "été").glob("*/run.json"))]
    assert sorted(run["seed"] for run in runs) == [0, 1]
    assert [path.name for path in tmp_path.iterdir()] == ["a b"]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["hydra/launcher=nobody_has_this"], "hydra/launcher=nobody_has_this"),
        (["hydra.launcher.n_jobs=2"], "hydra.launcher.n_jobs=2"),
    ],
)
def test_a_launcher_that_is_not_there_is_refused_before_anything_is_written(tmp_path, words, named):
    done = seqablate(tmp_path, "train", "-m", *TINY, "seed=0,1", *words)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert named in done.stderr
    assert not list(tmp_path.iterdir())
