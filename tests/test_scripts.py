"""Every script of measurements starts, and runs to its end with as little work as its options allow."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"
ELSEWHERE = {"bad_requests.py", "kill_at_the_end.py", "chaos_sweep.py"}  # run in tests of what they check
LEAST = {
    "bench_engine.py": "--help",  # its least work takes a test too long
    "bench_many_runs.py": "--runs 5 --rounds 1",
    "bench_probe.py": "--models rnn --shapes 100/32/64 --rounds 1 --steps 20",
    "bench_run.py": "--help",  # the same
    "bench_skips.py": "rnn --rounds 1",
    "bench_sweep.py": "--runs 2 --steps 2",
    "cliff.py": "--out cliff.png",
    "check_estimate.py": "--help",  # of a small sweep the time cannot be told so well
    "interval_coverage.py": "--repeats 20 --sizes 6",
    "interval_coverage_rejected.py": "--repeats 2 --sizes 6",
    "every_model_learns.py": "--only mlp --seeds 1 --steps 2",
    "false_verdicts.py": "--studies 10 --sizes 6",
    "lm_reference.py": "--corpus text.txt --steps 2 --batch-size 2 --bptt 8 --hidden-size 4",
    "make_documents.py": "--help",
}


def test_every_script_is_run():
    assert {path.name for path in SCRIPTS.glob("*.py")} == {*LEAST, *ELSEWHERE}


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("script", LEAST)
def test_a_script_runs_to_its_end(script, tmp_path):
    (tmp_path / "text.txt").write_text("the quick brown fox jumps over the lazy dog\n" * 60)
    words = [sys.executable, str(SCRIPTS / script), *LEAST[script].split()]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_at_the_cliff_the_step_without_a_clip_is_over_a_hundred_times_as_long(monkeypatch):
    """And its gradient is that of the formula, by forward differentiation: h' = f(a), a = w h + b."""
    monkeypatch.syspath_prepend(SCRIPTS)
    import cliff

    way = cliff.descend()
    assert np.linalg.norm(way.unclipped) >= 100 * np.linalg.norm(way.clipped)
    for (w, b), gradient in list(zip(way.points, way.gradients, strict=True))[: way.cliff + 1 : 12]:
        h, dw, db = 1 / (1 + math.exp(-cliff.FIRST)), 0.0, 0.0
        for _ in range(cliff.TIMESTEPS):
            before, h = h, 1 / (1 + math.exp(-(w * h + b)))
            dw, db = h * (1 - h) * (before + w * dw), h * (1 - h) * (1 + w * db)
        np.testing.assert_allclose(gradient, 2 * (h - cliff.TARGET) * np.array([dw, db]), rtol=1e-6)
