"""What the tasks of Ray are: workers that see the folder of the sweep, or errands that train one run away from home."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

from seqablate.errors import RunFailure, UsageError
from seqablate.launch.base import Sweep
from seqablate.launch.cluster.own import own_folder
from seqablate.launch.cluster.parcel import ARRIVING, bring_home, pack, settle
from seqablate.launch.cluster.remote import train_there, work_there
from seqablate.launch.events import Event
from seqablate.record.writer import RecordWriter
from seqablate.sweep.claim_file import stem_of
from seqablate.sweep.claims import Claim
from seqablate.sweep.folder import PlannedRun
from seqablate.sweep.queue import Queue
from seqablate.sweep.remains import clear_remains, was_begun

Tell = Callable[[Event], None]


@dataclass
class Task:
    """What Ray was asked to do.

    Attributes:
        name: what its events are known by.
        run: of an errand: the run.
        claim: of an errand: the claim of the run.
        held: of an errand: the lock of the record from which it goes on.
    """

    name: str
    run: PlannedRun | None = None
    claim: Claim | None = None
    held: ExitStack = field(default_factory=ExitStack)


class Placing(Protocol):
    """One way to have runs trained by tasks."""

    queue: Queue

    def begin(self, tell: Tell) -> tuple[Any, Task] | None:
        """One more task and Ray's reference to it; None if there is nothing to do now."""

    def end(self, task: Task, answer: Any, tell: Tell) -> None:
        """A task has returned ``answer``."""

    def lose(self, task: Task, status: str) -> None:
        """A task was lost, or an error in it has ended it."""


class Workers:
    """Every task is a worker of the sweep, and does what ``seqablate work SWEEP --leave`` does."""

    def __init__(self, ray: Any, sweep: Sweep, desk: Any, options: dict[str, Any]) -> None:
        self.orders = sweep.orders(leave=True)
        self.queue = Queue(sweep.folder, self.orders, _name())
        self.path = str(sweep.folder.path.resolve())
        self.desk = desk
        self.work = ray.remote(work_there).options(**options)
        self.numbers = itertools.count(1)

    def begin(self, tell: Tell) -> tuple[Any, Task] | None:
        if not self.queue.has_more():
            return None
        task = Task(f"ray {next(self.numbers)}")
        return self.work.remote(self.path, asdict(self.orders), self.desk, task.name), task

    def end(self, task: Task, answer: Any, tell: Tell) -> None: ...

    def lose(self, task: Task, status: str) -> None: ...


class Errands:
    """Every task trains one run in a temporary folder of its node; claims and locks of records are held here."""

    def __init__(self, ray: Any, sweep: Sweep, desk: Any, options: dict[str, Any]) -> None:
        orders = sweep.orders(leave=True)
        self.queue = Queue(sweep.folder, orders, _name())
        self.folder = sweep.folder
        own_folder(self.folder.path / ARRIVING)  # before any run is trained
        self.orders = asdict(replace(orders, runs=None, before={}))  # there the run is all that the plan has
        self.desk = desk
        self.train = ray.remote(train_there).options(**options)
        self.numbers = itertools.count(1)

    def begin(self, tell: Tell) -> tuple[Any, Task] | None:
        while (found := self.queue.take()) is not None:
            run, claim = found
            task = Task(f"ray {next(self.numbers)}", run, claim)
            try:
                archive = self._begun(task, run)
            except (UsageError, RunFailure) as error:
                self._let_go(task, "failed")
                tell(_failed(run, error))
                continue
            return self.train.remote(asdict(run), self.orders, archive, self.desk, task.name), task
        return None

    def _begun(self, task: Task, run: PlannedRun) -> bytes | None:
        """The archive of what there is of a run already; nobody else can go on with it meanwhile."""
        home = self.folder.run_path(run)
        settle(home)
        if not was_begun(home):
            clear_remains(home)
            return None
        task.held.enter_context(RecordWriter(home / "record.jsonl"))
        return pack(home)

    def end(self, task: Task, answer: Any, tell: Tell) -> None:
        assert task.run is not None
        status, archive = answer
        try:
            if self._is_lost(task):
                tell(Event("note", task.run.name, text="another worker has taken it over: what came back is left out"))
            elif archive is not None:
                bring_home(archive, self.folder.run_path(task.run), task.run.digest)
        except (UsageError, RunFailure) as error:
            status = "failed"
            tell(_failed(task.run, error))
        self._let_go(task, status)

    def _is_lost(self, task: Task) -> bool:
        """Whether somebody else has the run by now: this process may have been suspended for longer than its lease.

        The claim notices this only some time after the process goes on, so the claims are looked at as well.
        """
        assert task.claim is not None
        newest = self.queue.claims.generations().get(stem_of(task.claim.run), 0)
        return task.claim.lost or newest > task.claim.generation

    def lose(self, task: Task, status: str) -> None:
        self._let_go(task, status)

    def _let_go(self, task: Task, status: str) -> None:
        task.held.close()
        if task.claim is not None:
            task.claim.release(status)


def _name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _failed(run: PlannedRun, error: Exception) -> Event:
    return Event("end", run.name, text=f"failed: {error}", status="failed")
