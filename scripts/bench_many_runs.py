#!/usr/bin/env python3
"""A sweep of many finished runs: what it costs to list, show and compare it, and to start it again with nothing to do.

    python scripts/bench_many_runs.py                make 1,000 finished runs (in some seconds), and measure
    python scripts/bench_many_runs.py --runs 100
    python scripts/bench_many_runs.py --keep DIR     leave them in DIR, which must not exist yet

One run is trained; the others are copies of it with a seed, a learning rate and a digest of their own. Each command is
a process of its own. Medians of the rounds: wall time, CPU time, peak memory, and the most files open at once.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from seqablate.api import read_config, train
from seqablate.config.codec import digest, to_plain
from seqablate.record.folder import create_folder
from seqablate.sweep.folder import PlannedRun, Request, make_sweep
from seqablate.sweep.names import run_name
from seqablate.sweep.plan import composer

WORDS = [
    "model=gru",
    "model.hidden_size=8",
    "task.length=10",
    "steps=40",
    "eval.every=10",
    "eval.size=50",
    "device=cpu",
]
SEEDS = 25  # of each learning rate


@dataclass(frozen=True)
class Cost:
    """Of a process: seconds, those of its processors, peak megabytes, and files open at once."""

    wall: float
    cpu: float
    memory: float
    files: int


def make(folder: Path, count: int) -> None:
    """A sweep of ``count`` finished runs."""
    sweep = make_sweep(create_folder(folder.parent, folder.name))
    first = train([*WORDS, f"output_dir={folder.parent}", "name=first"])
    config = read_config(first)
    runs: list[PlannedRun] = []
    for swept in settings(count):
        config.seed, config.optim.lr = int(swept["seed"]), float(swept["optim.lr"])
        words = [*WORDS, *(f"{key}={value}" for key, value in swept.items())]
        run = PlannedRun(run_name(swept, {r.name for r in runs} if count < 200 else ()), words, digest(config), swept)
        copy(first.path, folder / run.name, run, to_plain(config))
        runs.append(run)
    with sweep.planning():
        sweep.extend(Request(list(request(count)), composer(), [run.name for run in runs]), runs)
    shutil.rmtree(first.path)


def settings(count: int) -> Iterator[dict[str, str]]:
    for number in range(count):
        yield {"optim.lr": lr(number // SEEDS), "seed": str(number % SEEDS)}


def lr(number: int) -> str:
    return f"{1 + number}e-4"


def request(count: int) -> Iterator[str]:
    """The words that ask for these runs."""
    yield from WORDS
    yield "optim.lr=" + ",".join(lr(number) for number in range(-(-count // SEEDS)))
    yield f"seed=range({min(count, SEEDS)})"


def copy(source: Path, target: Path, run: PlannedRun, config: dict[str, Any]) -> None:
    """A run folder that says everywhere that it is another run."""
    shutil.copytree(source, target)
    facts = {
        "name": run.name,
        "digest": run.digest,
        "seed": config["seed"],
        "command": ["seqablate", "train", *run.words],
    }
    config = config | {"name": run.name, "output_dir": str(target.parent)}
    header, rest = (source / "record.jsonl").read_bytes().split(b"\n", 1)
    line = json.dumps(json.loads(header) | facts | {"config": config}).encode()
    (target / "record.jsonl").write_bytes(line + b"\n" + rest)
    (target / "run.json").write_text(json.dumps(json.loads((source / "run.json").read_text()) | facts, indent=1))
    (target / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


def cost(command: Sequence[str]) -> Cost:
    """Run ``seqablate`` with these words, which must succeed."""
    began, before = time.perf_counter(), cpu_of_children()
    child = subprocess.Popen([sys.executable, "-m", "seqablate", *command], stdout=subprocess.DEVNULL)
    memory = files = 0
    while child.poll() is None:
        memory, files = max(memory, peak_memory(child.pid)), max(files, open_files(child.pid))
        time.sleep(0.002)
    if child.returncode != 0:
        sys.exit(f"seqablate {' '.join(command)} ended with {child.returncode}")
    return Cost(time.perf_counter() - began, cpu_of_children() - before, memory / 1024, files)


def cpu_of_children() -> float:
    """Seconds of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def open_files(pid: int) -> int:
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:  # it has ended
        return 0


def peak_memory(pid: int) -> int:
    """Kilobytes that were resident at once."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0)


def measure(folder: Path, count: int, rounds: int) -> None:
    again = ["train", "-m", *request(count), f"output_dir={folder.parent}", f"name={folder.name}"]
    commands = {
        "status": ["status", str(folder)],
        "status --json": ["status", "--json", str(folder)],
        "show --json": ["show", "--json", str(folder)],
        "compare": ["compare", str(folder)],
        "compare --html": ["compare", str(folder), "--html", str(folder.parent / "page.html")],
        "the same command again": again,
    }
    print(f"{count} finished runs".ljust(28) + "  wall s   cpu s    MB  files")
    for name, command in commands.items():
        costs = [cost(command) for _ in range(rounds)]
        wall, cpu, memory, files = (median(column) for column in zip(*map(astuple, costs), strict=True))
        print(f"{name:28}  {wall:6.2f}  {cpu:6.2f}  {memory:4.0f}  {files:5.0f}")
    print(f"the page has {(folder.parent / 'page.html').stat().st_size / 1e6:.1f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", type=Path, metavar="DIR")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary) / "sweep"
        make(folder.absolute(), arguments.runs)
        measure(folder.absolute(), arguments.runs, arguments.rounds)


if __name__ == "__main__":
    main()
