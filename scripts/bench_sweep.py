#!/usr/bin/env python3
"""What a sweep costs: with two workers against one, and with one against an older version of seqablate.

    python scripts/bench_sweep.py                     jobs=1 against jobs=2
    python scripts/bench_sweep.py --before CHECKOUT   also against the seqablate in another checkout, one run at a time
    python scripts/bench_sweep.py --runs 8 --steps 50 a small one

Sides are whole processes that take turns in the rounds. What is printed are seconds of wall time, medians over the
rounds, so nothing else should run on the machine. What a run costs beyond itself is the time of the whole command less
the seconds that the runs count as their own, divided by the number of runs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

RATES = (0.01, 0.003, 0.001, 0.0003)


class Side:
    """One way to carry out the sweep.

    Args:
        name: as it is printed.
        words: for this side alone.
        checkout: the folder with the seqablate that is used; None: this script's.
    """

    def __init__(self, name: str, words: list[str], checkout: Path | None = None) -> None:
        self.name, self.words = name, words
        self.checkout = checkout or Path(__file__).resolve().parents[1]
        self.walls: list[float] = []
        self.own: list[float] = []

    def run(self, runs: int, steps: int) -> tuple[float, float]:
        """Seconds of the command, and the sum of those that its runs count as their own."""
        with tempfile.TemporaryDirectory() as folder:
            line = [sys.executable, "-m", "seqablate", "train", "-m", *overrides(runs, steps), *self.words]
            environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(self.checkout)}
            started = time.perf_counter()
            subprocess.run(line, stdout=subprocess.PIPE, check=True, cwd=folder, env=environment)
            wall = time.perf_counter() - started
            own = list(seconds_of_runs(Path(folder)))
        if len(own) != runs:
            raise SystemExit(f"{self.name}: {len(own)} of {runs} runs are done")
        return wall, sum(own)


def overrides(runs: int, steps: int) -> list[str]:
    rates, seeds = ",".join(map(str, RATES[: min(4, runs)])), max(1, runs // 4)
    words = ["task=adding", "task.length=50", "model.hidden_size=32", f"steps={steps}", "stop_when_solved=false"]
    return [*words, "device=cpu", f"optim.lr={rates}", f"seed=range({seeds})"]


def seconds_of_runs(folder: Path) -> Iterator[float]:
    for path in folder.rglob("run.json"):
        info = json.loads(path.read_text())
        if info["status"] == "done":
            yield info["seconds"]["total"]


def compare(options: argparse.Namespace) -> None:
    one, two = Side("jobs=1", ["jobs=1"]), Side("jobs=2", ["jobs=2"])
    before = [Side("before", [], options.before)] if options.before else []
    sides = [one, two, *before]
    for side in sides:
        side.run(min(4, options.runs), 20)  # kernels are compiled, files are read
    for _ in range(options.rounds):
        for side in sides:
            wall, own = side.run(options.runs, options.steps)
            side.walls.append(wall)
            side.own.append(own)
            print(f"{side.name:8} {wall:7.1f} s, the runs' own {own:7.1f} s", flush=True)
    walls = {side.name: median(side.walls) for side in sides}
    print(f"jobs=2 is {walls['jobs=1'] / walls['jobs=2']:.2f} times as quick as jobs=1")
    beyond = [(wall - own) / options.runs for wall, own in zip(one.walls, one.own, strict=True)]
    print(f"beyond its own seconds, a run costs {median(beyond):.3f} s with jobs=1")
    if before:
        print(f"jobs=1 takes {walls['jobs=1'] / walls['before']:.3f} of the time that it took before")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, help="a checkout of an older version, which trains one run at a time")
    parser.add_argument("--runs", type=int, default=64, help="1 to 4, or a multiple of 4")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=1)
    compare(parser.parse_args())
