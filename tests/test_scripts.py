"""Every script of measurements starts, and runs to its end with as little work as its options allow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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
