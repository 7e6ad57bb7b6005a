"""The sweep folder: its plan, which is written before the first run, and the folder of every run.

``sweep.jsonl`` is append-only. Requests add to it: more seeds, more arms. It does not say how far the sweep is: that is
read from the run folders (:mod:`seqablate.sweep.standing`).
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

from seqablate.config.flat import counts
from seqablate.errors import RunFailure, UsageError, printable, shorten
from seqablate.record.files import open_regular
from seqablate.record.schema import Hash, folder_name
from seqablate.shape import By, Misfit, fitting

PLAN = "sweep.jsonl"
CLAIMS = ".claims"
STALE = ".stale"
VERSION = 1
LARGEST = 1 << 28  # bytes of a plan


@dataclass(frozen=True)
class PlannedRun:
    """One run of a sweep.

    Attributes:
        name: of its folder.
        words: the override words that it is composed from, each with one value.
        digest: of the config that they composed to.
        swept: the keys that the request swept, with this run's values as they are written in an override.
    """

    name: Annotated[str, By(folder_name)]
    words: list[str]
    digest: Hash
    swept: dict[str, str]

    @property
    def key(self) -> str:
        """What no other run of the sweep has: the digest, and swept keys that the digest leaves out (``threads``)."""
        others = [f"{key}={value}" for key, value in sorted(self.swept.items()) if not counts(key, "digest")]
        return " ".join([self.digest, *others])

    @property
    def arm(self) -> tuple[tuple[str, str], ...]:
        """The swept keys but the seed, with their values."""
        return tuple((key, value) for key, value in self.swept.items() if key != "seed")


@dataclass(frozen=True)
class Request:
    """What somebody asked for, and which runs that is.

    Attributes:
        words: as they were typed, without those that only say how the sweep is carried out.
        composer: a hash of everything that decides what words compose to.
        runs: the names of the runs, also of those that an earlier request had asked for.
    """

    words: list[str]
    composer: str
    runs: list[str]


@dataclass
class Plan:
    """Everything in ``sweep.jsonl``."""

    runs: dict[str, PlannedRun] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    size: int = 0  # bytes read

    def runs_of(self, names: Sequence[str]) -> list[PlannedRun]:
        return [self.runs[name] for name in names if name in self.runs]

    def find_request(self, words: Sequence[str], composer: str) -> Request | None:
        """The same words asked for before, when they composed to what they compose to now."""
        same = (r for r in self.requests if r.words == list(words) and r.composer == composer)
        return next(same, None)


class SweepFolder:
    """A folder with a plan. Its plan grows while it is open: :attr:`plan` has what is there now."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.plan_file = self.path / PLAN
        self.claims = self.path / CLAIMS
        self._plan = Plan()

    @property
    def plan(self) -> Plan:
        """The plan as it stands (UsageError when it is missing or damaged)."""
        if self._plan.size == 0 or _size(self.plan_file) != self._plan.size:
            self._plan = read_plan(self.plan_file)
        return self._plan

    @property
    def runs(self) -> list[PlannedRun]:
        """Every run, in the order of the plan."""
        return list(self.plan.runs.values())

    def run_path(self, run: PlannedRun) -> Path:
        return self.path / run.name

    def extend(self, request: Request, runs: Sequence[PlannedRun]) -> None:
        """Add runs and the request that asks for them; all of it or nothing.

        Call it inside of :meth:`planning`, with names that are free.

        Raises:
            RunFailure: the disk does not take it.
        """
        rows = [*(_row("run", run) for run in runs), _row("request", request)]
        _append(self.plan_file, rows)

    @contextmanager
    def planning(self) -> Iterator[Plan]:
        """The plan, while nobody else extends it: two sweeps of one name that are started at once take turns."""
        file = open_regular(self.plan_file, os.O_RDWR)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield self.plan
        finally:
            os.close(file)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error


def open_sweep(path: str | Path) -> SweepFolder:
    """A folder that holds a plan (UsageError otherwise)."""
    folder = SweepFolder(path)
    if not folder.path.is_dir():
        raise UsageError(f"{printable(str(path))}: no such folder")
    if not is_sweep(folder.path):
        inside = sorted(str(each) for each in folder.path.iterdir() if is_sweep(each))
        there = f"; there is {shorten(' and '.join(inside))}" if inside else ""
        raise UsageError(f"{printable(str(path))} is not a sweep: it has no {PLAN}{there}")
    _ = folder.plan  # read now: it says what is wrong
    return folder


def is_sweep(path: str | Path) -> bool:
    return os.path.lexists(Path(path) / PLAN)


def make_sweep(path: Path) -> SweepFolder:
    """The sweep in a folder that exists; an empty folder gets an empty plan (UsageError if it holds anything else)."""
    folder = SweepFolder(path)
    if is_sweep(path):
        return open_sweep(path)
    if any(path.iterdir()) and not is_sweep(path):  # asked again: somebody may have made the same sweep just now
        raise UsageError(f"{path} is there and is no sweep (it has no {PLAN}): choose another name")
    try:
        file = os.open(folder.plan_file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)  # two may make it at once
        os.close(file)
    except OSError as error:
        raise RunFailure(f"cannot write {folder.plan_file}: {error.strerror}") from error
    return folder


def read_plan(path: Path) -> Plan:
    """The plan in a file. What a killed process has left of a line does not count.

    Raises:
        UsageError: it is no regular file, damaged, or of another version.
    """
    with os.fdopen(open_regular(path), "rb") as file:
        data = file.read(LARGEST)
    plan = Plan(size=len(data))
    for number, line in enumerate(data.split(b"\n")[:-1], start=1):
        try:
            if line:
                _read_row(json.loads(line), plan)
        except Misfit as error:
            raise UsageError(f"{path} is damaged in line {number}: {error}") from None
        except (ValueError, RecursionError):  # what a killed writer left of a row: the next one has begun a new line
            continue
    return plan


def _read_row(row: Any, plan: Plan) -> None:
    kind = row.pop("kind", None) if isinstance(row, dict) else None
    if kind == "run":
        run = fitting(row, PlannedRun)
        if run.name[0] in ".-":
            raise Misfit("must not begin with '.' or '-'", ("name",))
        plan.runs[run.name] = run
    elif kind == "request":
        if row.get("version") != VERSION:
            raise Misfit(f"is {row.get('version')!r}; this seqablate reads {VERSION}", ("version",))
        plan.requests.append(fitting(row, Request))


def _row(kind: str, content: PlannedRun | Request) -> bytes:
    version = {"version": VERSION} if kind == "request" else {}
    return json.dumps({"kind": kind, **version, **asdict(content)}, ensure_ascii=False).encode() + b"\n"


def _append(path: Path, rows: Sequence[bytes]) -> None:
    """Append to a file that this process has locked; what the disk takes only in part is taken back."""
    file = open_regular(path, os.O_RDWR | os.O_APPEND)
    before = os.fstat(file).st_size
    try:
        torn = before > 0 and os.pread(file, 1, before - 1) != b"\n"
        data = (b"\n" if torn else b"") + b"".join(rows)
        while data:
            data = data[os.write(file, data) :]
        os.fsync(file)
    except OSError as error:
        os.ftruncate(file, before)
        raise RunFailure(f"cannot write {path}: {error.strerror}") from error
    finally:
        os.close(file)
