#!/usr/bin/env python3
"""How near the time that ``seqablate train -m --dry-run`` tells comes to the time that the sweep takes.

    python scripts/check_estimate.py             three sweeps of about a minute each
    python scripts/check_estimate.py --share 0.2 the same with a fifth of the steps

A ratio is told / taken. Exit code 1 where one is further from 1 than 25 %. Both are whole processes, and nothing else
should run on the machine.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOLERANCE = 0.25
SWEEPS = {
    "recurrent models, adding problem": (
        2000,
        ["task=adding", "task.length=50", "model=rnn,gru,lstm", "model.hidden_size=32", "seed=range(6)"],
    ),
    "depths of an MLP, digits": (1500, ["task=digits", "model=mlp", "model.depth=2,8,32", "seed=range(4)"]),
    "a transformer and an LSTM, text": (
        400,
        ["task=lm", "task.corpus=text.txt", "model=transformer,lstm", "model.hidden_size=32", "seed=range(4)"],
    ),
}
ALWAYS = ["device=cpu", "stop_when_solved=false", "name=sweep"]
TOLD = re.compile(r"^(?:about|at most) (?:(\d+) h )?(?:(\d+) min )?(?:([\d.]+) s )?with", re.MULTILINE)


def check(title: str, steps: int, words: list[str]) -> bool:
    """Tell, then take, the time of one sweep; whether they agree."""
    words = [*words, *ALWAYS, f"steps={steps}"]
    with tempfile.TemporaryDirectory() as folder:
        write_text(Path(folder) / "text.txt")
        told = seconds_in(command(folder, "--dry-run", *words))
        started = time.perf_counter()
        command(folder, *words)
        taken = time.perf_counter() - started
    print(f"{title:34} told {told:6.1f} s, taken {taken:6.1f} s, ratio {told / taken:.2f}", flush=True)
    return abs(told / taken - 1) <= TOLERANCE


def command(folder: str, *words: str) -> str:
    """A sweep command's output."""
    line = [sys.executable, "-m", "seqablate", "train", "-m", *words]
    return subprocess.run(line, stdout=subprocess.PIPE, text=True, check=True, cwd=folder).stdout


def seconds_in(output: str) -> float:
    """The time in the last line of a dry run."""
    found = TOLD.search(output)
    if found is None:
        raise SystemExit(f"no time in:\n{output}")
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return 3600 * hours + 60 * minutes + seconds


def write_text(path: Path) -> None:
    """This file several times over: some text to learn from."""
    path.write_text(Path(__file__).read_text() * 8)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=1.0, help="of the steps of each sweep")
    parser.add_argument("--sweeps", type=int, default=len(SWEEPS), help="how many of the three")
    options = parser.parse_args()
    chosen = list(SWEEPS.items())[: options.sweeps]
    agree = [check(title, max(1, round(steps * options.share)), words) for title, (steps, words) in chosen]
    sys.exit(0 if all(agree) else 1)
