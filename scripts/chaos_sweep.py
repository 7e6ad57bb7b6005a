"""Disturb a sweep in every way that a machine can, and compare its runs with those of an undisturbed one.

    python scripts/chaos_sweep.py                          60 runs, 10 kills, some minutes on 2 cores
    python scripts/chaos_sweep.py --seeds 2 --kills 4      12 runs

Two requests, three parents (two of them make the same request) and three shells with ``seqablate work`` carry out one
sweep: three models with dropout, on the adding problem and on a language model that carries its state. Workers and
parents are killed with SIGKILL, and whatever has ended is started again. Halfway the disk is filled for some seconds.
At the end ``seqablate resume`` does what is left. Then every run must be done and equal the run with the same digest in
an undisturbed sweep, in the weights and in the rows of its record. The claims must show that nobody worked on a run
while somebody else did, and the records that nobody worked on a run that was done. Exit code 1 where that is not so.

The disk of the sweep is a small one of its own (a tmpfs in a namespace of its own, made by ``unshare``). Where none can
be made, one of the shells may instead write only small files for a while.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from seqablate.errors import UsageError
from seqablate.record.info import read_info
from seqablate.record.reader import read_record
from seqablate.record.rows import EndRow, ResumeRow, TrainRow, decode, encode
from seqablate.sweep.claims import ClaimRecord, Claims
from seqablate.sweep.folder import CLAIMS, PlannedRun, open_sweep

MODELS = "rnn,lstm,gru"
COMMON = [
    "model.hidden_size=8", "model.num_layers=2", "model.dropout=0.2", "batch_size=4", "steps=60", "eval.every=20",
    "eval.size=20", "checkpoint.every=6", "probe.every=10", "device=cpu", "stop_when_solved=false", "optim=momentum",
]  # fmt: skip
ADDING = ["task=adding", "task.length=10"]
DISK = 128  # MB
SMALL = 20_000  # bytes that a file may have where no disk can be made
INSIDE = "--inside"
COMPARED = ("train", "eval", "signal", "text", "test", "confirmation")  # an interrupted run has a commit more
RESULTS = ("clipped_share", "best", "final", "test", "solved_at", "decay", "step", "parameters")
PATIENCE = 1800.0  # seconds for whatever is waited for


@dataclass
class Process:
    """A command that is started again whenever it has ended, as its user would."""

    words: list[str]
    log: Path
    files: int | None = None  # bytes that a file may have
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    codes: list[int] = field(default_factory=list)

    def start(self) -> None:
        self.starts += 1
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "seqablate", *self.words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=self._limit,
            )

    def tend(self) -> None:
        """Start it if it was never started, was killed, or ended with an error for the first time."""
        if self.ended and len(self.codes) < self.starts:
            assert self.process is not None
            self.codes.append(self.process.returncode)
        if self.process is None or (len(self.codes) == self.starts and self._to_be_repeated()):
            self.start()

    def _to_be_repeated(self) -> bool:
        last = self.codes[-1]
        return last < 0 or (last > 0 and sum(code > 0 for code in self.codes) == 1)

    @property
    def ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def stop(self) -> None:
        if self.process is not None and not self.ended:
            self.process.terminate()
            self.process.wait(timeout=120)

    def _limit(self) -> None:
        if self.files is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.files, self.files))


class Deaths:
    """When each process was seen for the last time."""

    def __init__(self) -> None:
        self.seen: dict[int, float] = {}
        self.started: dict[int, str] = {}

    def look(self, pids: set[int]) -> None:
        for pid in pids | set(self.seen):
            started = running_since(pid)
            if started and started == self.started.setdefault(pid, started):
                self.seen[pid] = time.time()


def running_since(pid: int) -> str | None:
    """When a process began, in ticks since the machine did; None if it has ended, waited for or not."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def ancestors(pid: int) -> Iterator[int]:
    """The processes above a process, the nearest first."""
    with suppress(OSError):
        while pid > 1:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
            yield pid


class Chaos:
    """A sweep that is disturbed, and what was done to it."""

    def __init__(self, folder: Path, requests: list[list[str]], seed: int) -> None:
        self.sweep = folder / "chaos"
        self.chance = random.Random(seed)
        self.deaths = Deaths()
        self.full: list[float] = []  # when the disk became full, and when it had room again
        first, second = requests
        words = [[*r, f"output_dir={folder}", "name=chaos", "jobs=1"] for r in (first, first, second)]
        logs = folder.parent / "logs"
        logs.mkdir()
        self.parents = [Process(["train", "-m", *w], logs / f"parent-{n}") for n, w in enumerate(words)]
        self.shells = [Process(["work", str(self.sweep)], logs / f"shell-{n}") for n in range(3)]
        self.log = logs / "resume"

    def claims(self) -> list[ClaimRecord]:
        return Claims(self.sweep / CLAIMS, "chaos").log()

    def done(self) -> int:
        return sum(status_of(path) in ("done", "diverged") for path in self.runs())

    def runs(self) -> Iterator[Path]:
        if self.sweep.is_dir():
            yield from (path for path in self.sweep.iterdir() if not path.name.startswith(".") and path.is_dir())

    def tend(self) -> None:
        """Everything that has ended badly starts again; who is alive is noted."""
        planned = (self.sweep / "sweep.jsonl").exists()
        for process in [*self.parents, *(self.shells if planned else [])]:
            process.tend()
        self.deaths.look({claim.owner.pid for claim in self.claims() if claim.owner and not claim.release})

    def wait(self, holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not holds():
            if time.monotonic() > deadline:
                raise SystemExit(f"nothing happens any more: waiting for {what}")
            self.tend()
            time.sleep(0.05)

    def kill(self, number: int) -> None:
        """A random parent, one with a worker at a run if there is one, or the worker of a run that goes on."""
        workers = [c.owner.pid for c in self.claims() if c.owner and not c.release and running_since(c.owner.pid)]
        above = {ancestor for worker in workers for ancestor in ancestors(worker)}
        living = [p.process.pid for p in self.parents if p.process and not p.ended]
        parents = [pid for pid in living if pid in above] or living
        kind, victims = ("parent", parents) if parents and (number % 3 == 0 or not workers) else ("worker", workers)
        if not victims:
            raise SystemExit("there is nobody to kill")
        victim = self.chance.choice(victims)
        os.kill(victim, signal.SIGKILL)
        print(f"kill {number + 1}: {kind} {victim}; {self.done()} runs done", flush=True)

    def fill_disk(self) -> None:
        """No room on the disk for some seconds."""
        self.full.append(time.time())
        filler = self.sweep.parent / "filler"
        if os.path.ismount(self.sweep.parent):
            with suppress(OSError), filler.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(1 << 16))
            self._wait_seconds(4.0)
            filler.unlink()
        else:
            limited = Process(["work", str(self.sweep)], self.log.with_name("limited"), files=SMALL)
            limited.start()
            self._wait_seconds(15.0)
            limited.stop()
        self.full.append(time.time())
        retry = ["resume", str(self.sweep), "sweep.retry_failed=true", "jobs=1"]
        self.parents.append(Process(retry, self.log.with_name("retry")))
        print(f"the disk was full for {self.full[1] - self.full[0]:.1f} s; {self.done()} runs done", flush=True)

    def _wait_seconds(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        self.wait(lambda: time.monotonic() > end, "some seconds")

    def run(self, runs: int, kills: int) -> None:
        """Disturb it while its runs get done, then let it come to its end."""
        for number in range(kills):
            self.wait(lambda: self.done() >= runs * (number + 0.5) / (kills + 1), "runs")  # noqa: B023
            time.sleep(self.chance.uniform(0.0, 0.5))
            self.kill(number)
            if number == kills // 2:
                self.fill_disk()
        self.wait(lambda: all(p.ended for p in self.parents), "the parents")
        for shell in self.shells:
            shell.stop()
        for _ in range(3):
            done = subprocess.run(
                [sys.executable, "-m", "seqablate", "resume", str(self.sweep), "sweep.retry_failed=true", "jobs=2"],
                stdin=subprocess.DEVNULL,
                stdout=self.log.open("ab"),
                stderr=subprocess.STDOUT,
                timeout=PATIENCE,
            )
            print(f"resume: exit code {done.returncode}; {self.done()} runs done", flush=True)
            if done.returncode == 0:
                return


def status_of(run: Path) -> str:
    try:
        return str(json.loads((run / "run.json").read_text())["status"])
    except (OSError, ValueError):
        return "pending"


def without_bytes(row: Any) -> Any:
    """A row without what depends on the times that a checkpoint holds."""
    return {key: value for key, value in json.loads(encode(row)).items() if key not in ("sha256", "bytes")}


def differences(found: Path, expected: Path) -> Iterator[str]:
    """What differs between two runs that should be equal."""
    import torch

    ours, theirs = read_info(found), read_info(expected)
    if ours.status != "done":
        yield f"status {ours.status}: {ours.message}"
        return
    yield from (name for name in RESULTS if repr(getattr(ours, name)) != repr(getattr(theirs, name)))
    records = read_record(found), read_record(expected)
    rows = [[without_bytes(row) for row in record.rows()] for record in records]
    for kind in COMPARED:
        first, second = ([row for row in every if row["kind"] == kind] for every in rows)
        if first != second:
            yield f"rows of kind {kind}"
    states = [
        torch.load(path / "checkpoints" / record.commits[-1].checkpoint, weights_only=True)
        for path, record in zip((found, expected), records, strict=True)
    ]
    for part in ("step", "model", "optimizer", "carried"):
        if not same(states[0][part], states[1][part]):
            yield f"{part} in the last checkpoint"


def same(first: Any, second: Any) -> bool:
    """Whether nested values are equal, tensors in every bit."""
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return bool(first.equal(second)) if hasattr(first, "equal") else bool(first == second)


def wrong_claims(claims: list[ClaimRecord], chaos: Chaos) -> Iterator[str]:
    """Claims of one run that overlap: the next was made before the one before it was released or its owner was dead.

    A claim whose release did not fit on the full disk ends without one, and its owner lives.
    """
    for run in {claim.run for claim in claims}:
        mine = sorted((claim for claim in claims if claim.run == run), key=lambda claim: claim.generation)
        if [claim.generation for claim in mine] != list(range(1, len(mine) + 1)):
            yield f"{run}: generations {[claim.generation for claim in mine]}"
        for old, new in pairwise(mine):
            if old.owner is None or new.owner is None:
                yield f"{run}: generation {old.generation} or {new.generation} cannot be read"
            elif old.release is not None:
                if old.release.released > new.owner.at:
                    yield f"{run}: generation {new.generation} began before {old.generation} was released"
            elif chaos.deaths.seen.get(old.owner.pid, 0.0) > new.owner.at and not was_full(chaos, old, new):
                yield f"{run}: generation {new.generation} began while the owner of {old.generation} lived"


def was_full(chaos: Chaos, old: ClaimRecord, new: ClaimRecord) -> bool:
    """Whether the disk was full at some moment of the older claim."""
    if len(chaos.full) < 2 or old.owner is None or new.owner is None:
        return False
    return old.owner.at < chaos.full[1] and new.owner.at > chaos.full[0]


def wrong_record(run: Path, claims: list[ClaimRecord]) -> Iterator[str]:
    """Work on a run that was done, or by more processes than claimed it until then.

    A process that ends between the last row of the record and the last write of run.json leaves a run that another one
    completes without training a step.
    """
    mine = sorted((claim for claim in claims if claim.run == run.name), key=lambda claim: claim.generation)
    ends = [claim.release and claim.release.status for claim in mine]
    working = ends.index("done") + 1 if "done" in ends else len(ends)
    rows = [decode(line) for line in (run / "record.jsonl").read_bytes().splitlines()]
    begun = 1 + sum(isinstance(row, ResumeRow) for row in rows)
    if begun > working:
        yield f"{begun} processes worked on it, and {working} had claimed it when it was done"
    done = [n for n, row in enumerate(rows) if isinstance(row, EndRow) and row.status == "done"]
    if not done or any(isinstance(row, TrainRow) for row in rows[done[0] :]):
        yield f"of {len(rows)} rows those that say it is done are {done}"


def by_digest(sweep: Path) -> dict[str, tuple[Path, PlannedRun]]:
    folder = open_sweep(sweep)
    return {run.digest: (folder.run_path(run), run) for run in folder.runs}


def report(chaos: Chaos, undisturbed: Path, expected: int) -> int:
    """Say what differs; how many runs are not as they should be."""
    found, reference = by_digest(chaos.sweep), by_digest(undisturbed)
    claims = chaos.claims()
    bad = [*wrong_claims(claims, chaos)]
    if found.keys() != reference.keys() or len(found) != expected:
        bad.append(f"{len(found)} and {len(reference)} runs planned, {len(found.keys() & reference.keys())} in common")
    equal = 0
    for digest in found.keys() & reference.keys():
        path, run = found[digest]
        try:
            wrong = [*differences(path, reference[digest][0]), *wrong_record(path, claims)]
        except (UsageError, OSError) as error:
            wrong = [str(error)]
        bad += [f"{run.name}: {what}" for what in wrong]
        equal += not wrong
    for what in bad:
        print(f"WRONG: {what}")
    ends = Counter("died" if claim.release is None else claim.release.status for claim in claims)
    print(f"claims: {len(claims)} ({', '.join(f'{count} {end}' for end, count in sorted(ends.items()))})")
    print(f"{equal} of {expected} runs done, equal to the undisturbed ones, and trained once")
    return len(bad)


def small_disk(folder: Path) -> None:
    """A disk of its own under ``folder``, where one can be made."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}m", "none", str(folder)]
    if INSIDE not in sys.argv or subprocess.run(command, stderr=subprocess.DEVNULL).returncode != 0:
        print("no disk of its own can be made here: one shell may write only small files instead")


def write_text(path: Path) -> None:
    """A text for the language model."""
    chance = random.Random(0)
    words = ["the", "cat", "sat", "on", "mat", "and", "dog", "log", "ran", "to", "saw", "a"]
    path.write_text(" ".join(chance.choice(words) for _ in range(2000)) + ".\n")


def enter_namespace() -> None:
    """Go on in a mount namespace of this process's own, where that is allowed."""
    wrapped = ["unshare", "--mount", "--map-root-user"]
    if INSIDE in sys.argv or subprocess.run([*wrapped, "true"], stderr=subprocess.DEVNULL).returncode != 0:
        return
    os.execvp("unshare", [*wrapped, sys.executable, *sys.argv, INSIDE])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10, help="seeds of each of the 3 models on each of the 2 tasks")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--chance", type=int, default=0, help="seed of what is killed when")
    parser.add_argument("--logs", type=Path, help="a new folder for everything, which is kept")
    parser.add_argument(INSIDE, action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    enter_namespace()
    begun = time.monotonic()
    # The disk is mounted in it until the last process of the namespace ends.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = arguments.logs or Path(name)
        folder.mkdir(exist_ok=True)
        write_text(folder / "text")
        lm = ["task=lm", f"task.corpus={folder}/text", "task.bptt=8"]
        swept = [f"model={MODELS}", f"seed={','.join(map(str, range(arguments.seeds)))}"]
        requests = [[*ADDING, *COMMON, *swept], [*lm, *COMMON, *swept]]
        runs = 6 * arguments.seeds
        small_disk(folder / "disk")
        chaos = Chaos(folder / "disk", requests, arguments.chance)
        try:
            chaos.run(runs, arguments.kills)
        finally:
            for process in [*chaos.shells, *chaos.parents]:
                process.stop()
        print(f"disturbed: {time.monotonic() - begun:.0f} s", flush=True)
        for request in requests:
            command = ["train", "-m", *request, f"output_dir={folder}", "name=undisturbed", "jobs=2"]
            subprocess.run(
                [sys.executable, "-m", "seqablate", *command], check=True, stdout=subprocess.DEVNULL, timeout=PATIENCE
            )
        bad = report(chaos, folder / "undisturbed", runs)
        if arguments.logs:  # the disk of its own ends with this process
            shutil.copytree(chaos.sweep, folder / "disturbed")
    print(f"{time.monotonic() - begun:.0f} s in all")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
