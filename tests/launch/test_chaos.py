"""A sweep that is killed, joined and without room for a while, as whole processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "chaos_sweep.py"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_sweep_that_is_disturbed_ends_as_an_undisturbed_one_and_trains_no_run_twice():
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--seeds", "1", "--kills", "3"], capture_output=True, text=True, timeout=1800
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 of 6 runs done, equal to the undisturbed ones, and trained once" in done.stdout
