"""Claims: who works on which run of a sweep. At most one process at a time holds the claim of a run.

A claim is a file ``.claims/<run>.<generation>``. Its first line says who made it, and releasing it appends a second
one. Claims are never deleted: together they are the log of the sweep. Imports no torch.

Why no run is worked on by two processes at once:

1. A generation has one owner. Its file is locked and complete before it gets its name, by ``link``, which fails where
   the name exists, on network file systems as well.
2. Generation n + 1 is made only after n was released or its owner died. An owner on this machine has died when the lock
   (``flock``) of its file is free: the kernel keeps the lock while the process lives, also while it is stopped, and
   frees it when the process ends in any way. Forked children close their copy of the descriptor. An owner on another
   machine counts as dead when it has not renewed the file's modification time for a lease. The age is measured against
   a file that is touched in the same folder, so only the clock of the file server counts.
3. An owner on another machine that was suspended for longer than its lease may wake up. An owner renews its claim
   first and then looks for the next generation; whoever takes over makes the next generation first and then looks
   whether the claim was renewed, and withdraws if it was. In every order of events one of them notices the other. The
   owner looks within a second after it wakes up. During that second the lock of the run's record keeps both from
   writing it, where the file system has locks between machines.
4. A run that was not finished when a worker looked may be finished before the worker takes the claim. So workers read
   the state of a run again after taking its claim.
"""

from __future__ import annotations

import math
import os
import re
import stat
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType, TracebackType

from seqablate.errors import UsageError
from seqablate.record.files import open_regular
from seqablate.sweep.claim_file import ClaimRecord, Holder, Owner, Release, Seen, boot_id, make, read, stem_of, write

LEASE = 120.0  # seconds
LONGEST_LEASE = 86400.0  # seconds; a longer one in a claim file is not believed
FRESH = 0.2  # seconds for which one listing of the folder is used
CLAIM = re.compile(r"([^.].*)\.([1-9][0-9]*)", re.DOTALL)
CLOCK = ".clock"


class Claim:
    """A run that this process alone works on; a context manager.

    A thread renews it until it is released; it does not keep the process alive.

    Attributes:
        run: the name of the run.
        generation: how many claims of this run there have been.
        lost: whether somebody else has taken the claim over, or it cannot be renewed; work on the run must stop.
        on_lost: called once, from the renewing thread, when ``lost`` becomes true.
    """

    def __init__(self, path: Path, file: int, run: str, generation: int, lease: float) -> None:
        self.run = run
        self.generation = generation
        self.lost = False
        self.on_lost: Callable[[], object] | None = None
        self._path, self._file, self._lease = path, file, lease
        self._closing = threading.Lock()  # nothing is done with the descriptor while it is closed
        self._released = threading.Event()
        _OPEN.add(self)
        threading.Thread(target=self._keep, name=f"claim of {run}", daemon=True).start()

    def __enter__(self) -> Claim:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release("abandoned")

    def release(self, status: str) -> None:
        """Give the run back; only the first call counts. A claim that was lost is released as ``lost``.

        Where the disk does not take the line, the claim reads as that of an owner who has died, and blocks nobody.
        """
        self._released.set()
        with self._closing:
            if self._file >= 0:
                with suppress(OSError):
                    write(self._file, Release(time.time(), "lost" if self.lost else status))
        self._close()

    def _close(self) -> None:
        with self._closing:
            file, self._file = self._file, -1
            if file >= 0:
                os.close(file)  # which frees the lock, unless a forked child has a copy
        _OPEN.discard(self)

    def _forget(self) -> None:
        """In a forked child: the claim is the parent's, and so is its lock."""
        self._closing = threading.Lock()
        self._released.set()
        self._close()

    def _keep(self) -> None:
        """Renew the claim until it is released or lost. Short steps: the process may have been suspended meanwhile."""
        renewed, due = _elapsed(), -math.inf
        while not self.lost:
            if (now := _elapsed()) >= due:
                due = now + self._lease / 4
                try:
                    self.lost = not self._renew()
                    renewed = now
                except OSError:  # such as a file server that is away
                    self.lost = now - renewed > self._lease
            if self._released.wait(min(self._lease / 4, 1.0)):
                return
        while self.on_lost is None:  # the owner may be about to set it
            if self._released.wait(0.1):
                return
        self.on_lost()

    def _renew(self) -> bool:
        """Renew the claim; false if it is somebody else's by now, or deleted."""
        with self._closing:
            if self._file < 0:
                return True
            os.utime(self._file)
            if os.fstat(self._file).st_nlink == 0:
                return False
        following = f"{self._path.name.rpartition('.')[0]}.{self.generation + 1}"
        return following not in os.listdir(self._path.parent)


class Claims:
    """The claims of a sweep, as one worker sees and takes them.

    Args:
        folder: made when the first claim is taken.
        worker: what the worker calls itself, for others to read.
        lease: in seconds, see :class:`Owner`.
    """

    def __init__(self, folder: Path, worker: str, lease: float = LEASE) -> None:
        self.folder = folder
        self.worker = worker
        self.lease = lease
        self._newest: dict[str, int] = {}
        self._listed: tuple[float, int] = (-math.inf, 0)

    def take(self, name: str) -> Claim | None:
        """The claim of a run; None while somebody has it who is alive, or when somebody else was faster.

        Read the state of the run after this call, not before: see point 4 in this file's head.

        Raises:
            RunFailure: the folder cannot be written.
            UsageError: the folder is a link or a file, or a claim in it cannot be read.
        """
        stem = stem_of(name)
        generation = self._generation(stem)
        before = read(self._path(stem, generation)) if generation else None
        if before is not None and self._is_alive(before):
            return None
        claim = self._make(name, generation + 1)
        self._listed = (-math.inf, 0)
        if claim is not None and before is not None and read(self._path(stem, generation)) != before:
            claim.release("withdrawn")
            return None
        return claim

    def holder(self, name: str) -> Holder | None:
        """Who has the run; None if nobody took it or it was released."""
        stem = stem_of(name)
        generation = self._generation(stem)
        seen = read(self._path(stem, generation)) if generation else None
        if seen is None or seen.release is not None:
            return None
        return Holder("?" if seen.owner is None else seen.owner.worker, self._is_alive(seen))

    def generations(self) -> dict[str, int]:
        """The newest generation of every run that was ever claimed, as :meth:`ended` takes them."""
        self._generation("")
        return dict(self._newest)

    def ended(self, name: str, before: Mapping[str, int] = MappingProxyType({})) -> list[str | None]:
        """How each claim of the run has ended: the status of its release, None where its owner died.

        Args:
            name: the run.
            before: claims that are left out, as :meth:`generations` gave them.
        """
        stem = stem_of(name)
        numbers = range(before.get(stem, 0) + 1, self._generation(stem) + 1)
        found = [read(self._path(stem, number)) for number in numbers]
        return [seen.release.status if seen.release else None for seen in found if not self._is_alive(seen)]

    def deaths(self, name: str) -> int:
        """How many claims of the run ended without being released."""
        return self.ended(name).count(None)

    def log(self) -> list[ClaimRecord]:
        """Every claim there was, oldest first."""
        return sorted(map(self._record, self._list()), key=lambda r: (r.owner.at if r.owner else r.renewed, r.run))

    def _record(self, named: tuple[str, int]) -> ClaimRecord:
        seen = read(self._path(*named))
        run = named[0] if seen.owner is None else seen.owner.run
        return ClaimRecord(run, named[1], seen.owner, seen.release, seen.renewed / 1e9)

    def _path(self, stem: str, generation: int) -> Path:
        return self.folder / f"{stem}.{generation}"

    def _list(self) -> list[tuple[str, int]]:
        """The claims in the folder: stem and generation."""
        try:
            matches = map(CLAIM.fullmatch, os.listdir(self.folder))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise UsageError(f"cannot read {self.folder}: {error.strerror}") from error
        return [(match[1], int(match[2])) for match in matches if match]

    def _generation(self, stem: str) -> int:
        """The newest generation of a run's claims, 0 if there is none.

        It may be out of date by a moment. That does no harm: the next generation can then not be made.
        """
        listed = (time.monotonic(), self._changed())
        if listed[1] != self._listed[1] or listed[0] - self._listed[0] > FRESH:
            self._newest = {}
            for found, generation in self._list():
                self._newest[found] = max(generation, self._newest.get(found, 0))
            self._listed = listed
        return self._newest.get(stem, 0)

    def _changed(self) -> int:
        """When the folder last changed, in nanoseconds; 0 if it is not there (UsageError if it is no folder)."""
        try:
            found = self.folder.lstat()
        except FileNotFoundError:
            return 0
        if not stat.S_ISDIR(found.st_mode):
            raise UsageError(f"{self.folder} is not a folder of its own: the claims of a sweep are in it")
        return found.st_mtime_ns

    def _is_alive(self, seen: Seen) -> bool:
        if seen.release is not None:
            return False
        if seen.owner is not None and seen.owner.boot == boot_id():
            return seen.locked
        lease = self.lease if seen.owner is None else min(seen.owner.lease, LONGEST_LEASE)
        return abs(self._now() - seen.renewed) <= lease * 1e9  # one far in the future was not made by this clock

    def _now(self) -> int:
        """Nanoseconds since 1970 by the clock that also dates the claims."""
        try:
            file = open_regular(self.folder / CLOCK, os.O_WRONLY | os.O_CREAT)
            try:
                os.utime(file)
                return os.fstat(file).st_mtime_ns
            finally:
                os.close(file)
        except (OSError, UsageError):  # of somebody who may only read the folder
            return time.time_ns()

    def _make(self, name: str, generation: int) -> Claim | None:
        """A claim of exactly this generation; None if somebody else has made it."""
        path = self._path(stem_of(name), generation)
        owner = Owner(name, self.worker, os.uname().nodename, boot_id(), os.getpid(), time.time(), self.lease)
        file = make(path, owner)
        return None if file is None else Claim(path, file, name, generation, self.lease)


def _elapsed() -> float:
    """Seconds on a clock that also runs while the machine is suspended, where there is one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


_OPEN: weakref.WeakSet[Claim] = weakref.WeakSet()


def _forget_open_claims() -> None:
    for claim in list(_OPEN):
        claim._forget()


os.register_at_fork(after_in_child=_forget_open_claims)
