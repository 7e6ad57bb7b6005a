#!/usr/bin/env python3
"""What the start of a run costs: from the command to the end of its first training step, in a process of its own.

    python scripts/bench_start.py                     with kernels on disk (warm), and to be compiled (cold)
    python scripts/bench_start.py --before CHECKOUT   also the seqablate in another checkout
    python scripts/bench_start.py --modules           what is imported on the way, and how long it takes

Sides take turns, and beside each round stands the time of a fixed Python loop, because the speed of a machine varies:
the loop takes 0.5 s on a machine of usual speed. Times are CPU seconds, medians over the rounds, on one thread.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parents[1]
USUAL = 0.5  # seconds of the loop
# Within the process: CPU time so far when its first step is recorded, and when the whole run of one step has ended.
RUN = """
import gc
gc.disable()  # as the command does, until its run begins
import sys, time
from seqablate.cli import main
from seqablate.record.writer import RecordWriter
append = RecordWriter.append_many
def timed(writer, rows):
    if "TrainRow" in {type(row).__name__ for row in rows}:
        print("first step", time.process_time(), file=sys.stderr)
    return append(writer, rows)
RecordWriter.append_many = timed
code = main(sys.argv[1:])
print("end", time.process_time(), file=sys.stderr)
sys.exit(code)
"""
WORDS = ["train", "task=adding", "task.length=50", "steps=1", "eval.size=64", "device=cpu"]


def start(checkout: Path, model: str, kernels: Path | None) -> tuple[float, float]:
    """CPU seconds to the first step and to the end; ``kernels``: where compiled code is kept, or beside the sources."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    if kernels is not None:
        environment["NUMBA_CACHE_DIR"] = str(kernels)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", RUN, *WORDS, f"model={model}"]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    found = dict(re.findall(r"^(first step|end) ([\d.]+)$", done.stderr, re.MULTILINE))
    return float(found["first step"]), float(found["end"])


def loop() -> float:
    """CPU seconds of a fixed amount of work."""
    begin = time.process_time()
    sum(range(5 * 10**7))
    return time.process_time() - begin


def compare(checkouts: dict[str, Path], model: str, rounds: int, cold_rounds: int) -> None:
    for temperature, count in (("warm", rounds), ("cold", cold_rounds)):
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in checkouts}
        loops = []
        for checkout in checkouts.values():
            if temperature == "warm" and count:
                start(checkout, model, None)  # compiles the sources' byte code, and the kernels
        for _ in range(count):
            for name, checkout in checkouts.items():
                with tempfile.TemporaryDirectory() as empty:
                    found[name].append(start(checkout, model, Path(empty) if temperature == "cold" else None))
            loops.append(loop())
        for name in checkouts if count else ():
            step, end = (median(side) for side in zip(*found[name], strict=True))
            usual = USUAL / median(loops)
            print(
                f"{temperature} {model:5} {name:7} first step {step:6.2f} s, end {end:6.2f} s; "
                f"loop {median(loops):.2f} s: at usual speed {step * usual:.2f} s and {end * usual:.2f} s",
                flush=True,
            )


def modules(model: str) -> None:
    """The packages that are imported, and the time that each takes by itself."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-X", "importtime", "-m", "seqablate", *WORDS, f"model={model}"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    own, counts = Counter[str](), Counter[str]()
    for microseconds, name in re.findall(r"^import time:\s+(\d+) \|\s+\d+ \|\s+([\w.]+)", done.stderr, re.MULTILINE):
        package = name.split(".")[0]
        own[package] += int(microseconds)
        counts[package] += 1
    for package, microseconds in own.most_common(20):
        print(f"{package:20} {microseconds / 1e6:6.3f} s {counts[package]:5} modules")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="lstm")
    parser.add_argument("--rounds", type=int, default=5, help="with kernels on disk")
    parser.add_argument("--cold-rounds", type=int, default=3, help="with kernels to be compiled")
    parser.add_argument("--before", type=Path, metavar="CHECKOUT", help="another checkout of seqablate")
    parser.add_argument("--modules", action="store_true", help="only list what is imported")
    arguments = parser.parse_args()
    if arguments.modules:
        return modules(arguments.model)
    sides = {"now": HERE} | ({"before": arguments.before.resolve()} if arguments.before else {})
    compare(sides, arguments.model, arguments.rounds, arguments.cold_rounds)


if __name__ == "__main__":
    main()
