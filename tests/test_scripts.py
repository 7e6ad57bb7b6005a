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
    "bench_cells.py": "rnn_relu --rounds 1 --shape 5/2/3",
    "bench_engine.py": "--help",  # its least work takes a test too long
    "bench_many_runs.py": "--runs 5 --rounds 1",
    "bench_probe.py": "--models rnn --shapes 100/32/64 --rounds 1 --steps 20",
    "bench_run.py": "--help",  # the same
    "bench_skips.py": "rnn --rounds 1",
    "bench_start.py": "--modules",
    "bench_step.py": "--models rnn --shapes 10/2/3 --rounds 1",
    "bench_threads.py": "--models rnn --shapes 10/2/3 --rounds 1",
    "bench_sweep.py": "--runs 2 --steps 2",
    "cliff.py": "--out cliff.png",
    "curse_of_memory.py": "",
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


@pytest.mark.parametrize("value", [0.5, 0.9, -0.8])
def test_the_sharpness_of_a_linear_unit_is_the_closed_form(monkeypatch, value):
    monkeypatch.syspath_prepend(SCRIPTS)
    import curse_of_memory as curse

    plain = curse.unit("rnn_identity", value)
    assert curse.sharpness(plain, 150) == pytest.approx(
        sum(k**2 * value ** (2 * k - 2) for k in range(1, 150)), rel=1e-12
    )
    assert curse.closed_form(value, 300) == pytest.approx(curse.closed_form(value), rel=1e-12)
    assert curse.largest_factor(plain, 150) == 1


def test_by_its_own_weight_a_linear_recurrent_unit_is_not_sharper_the_longer_it_remembers(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)
    import curse_of_memory as curse

    for value in (0.5, 0.9, 0.98):
        unit = curse.unit("lru_positive", math.log(-math.log(value)))
        # h_T = sum of c_k x_(T-k) with c_k = g lambda^k, g = sqrt(1 - lambda^2): its derivative by nu, by differences
        e, k = 1e-5, np.arange(600)
        rates = math.log(value) * np.exp([-e, e])
        low, high = (np.sqrt(1 - np.exp(2 * rate)) * np.exp(rate * k) for rate in rates)
        assert curse.sharpness(unit, 600) == pytest.approx((((high - low) / (2 * e)) ** 2).sum(), rel=1e-6)
        assert curse.sharpness(unit, 600) < 0.26
