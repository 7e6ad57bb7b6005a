"""The worker processes of a sweep on this machine: what they send is shown, and those that die are replaced."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from types import FrameType

from seqablate.errors import RunFailure, UsageError
from seqablate.launch.events import Event
from seqablate.launch.nursery import call_at_end, server
from seqablate.launch.screen import SweepScreen
from seqablate.launch.work import work_on
from seqablate.report.console import silence
from seqablate.sweep.folder import SweepFolder
from seqablate.sweep.queue import Orders
from seqablate.sweep.standing import standings

TICK = 0.25  # seconds between two pictures when nothing happens
LOOK = 5.0  # seconds between two looks at what others have done
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
MOST_RESTARTS = 3  # workers that may die one after the other without a run


@dataclass
class Place:
    """A worker process, the pipes to it, and the run that it is at."""

    process: ForkServerProcess
    events: Connection
    lifeline: Connection  # closed when this process ends, however it does
    run: str = ""


class Pool:
    """The worker processes of one sweep.

    Args:
        path: the sweep's folder.
        orders: what they are to do.
        count: how many processes.
        screen: is told of every event, and that time passes.
    """

    def __init__(self, path: Path, orders: Orders, count: int, screen: SweepScreen) -> None:
        self.path = path
        self.orders = orders
        self.count = count
        self.screen = screen
        self.places: list[Place] = []
        self.signum: int | None = None
        self.stopping = False
        self.restarts = 0
        self.folder = SweepFolder(path)
        self.looked = time.monotonic()

    def run(self) -> int:
        """Have the workers work until nothing is left; 128 + n when signal n ended it, else 0."""
        with self._signals():
            try:
                for _ in range(self.count):
                    if not self.stopping:
                        self._start()
                while self.places:
                    self._listen()
                    self._look()
                    self.screen.tick()
            finally:
                self._end()
        return 0 if self.signum is None else 128 + self.signum

    def _look(self) -> None:
        """Show what other shells and machines have done, now and then."""
        if time.monotonic() - self.looked > LOOK:
            self.screen.look(standings(self.folder))
            self.looked = time.monotonic()

    def _start(self) -> None:
        receive, send = server().Pipe(duplex=False)
        held, lifeline = server().Pipe(duplex=False)
        process = server().Process(target=serve, args=(self.path, self.orders, send, held), daemon=True)
        process.start()
        send.close()
        held.close()
        self.places.append(Place(process, receive, lifeline))
        if self.stopping:  # a signal came meanwhile
            self.stop()

    def _listen(self) -> None:
        """Take what the workers have sent, and look after those that have ended."""
        known = {place.events: place for place in self.places}
        for connection in wait(list(known), timeout=TICK):
            place = known[connection]  # type: ignore[index]
            try:
                event: Event = place.events.recv()
            except (EOFError, OSError):
                self._bury(place)
                continue
            if event.kind != "note":  # a note may be of no run
                place.run = "" if event.kind == "end" else event.run
            self.screen.event(event)
            if event.kind == "end":
                self.restarts = 0
                if self.orders.fail_fast and event.status == "failed":
                    self.stop()

    def _bury(self, place: Place) -> None:
        """A worker has ended: where it died, another takes its place."""
        place.process.join()
        place.events.close()
        place.lifeline.close()
        self.places.remove(place)
        code = place.process.exitcode or 0
        died = code != 0  # also where it was asked to end, by somebody else than this process
        if code < 0:
            self.screen.lost(place.run, f"its process was killed by signal {-code}")
        if place.run:  # how often a run may cost its worker is counted by its claims
            self.restarts = 0
        if died and not self.stopping and self.restarts < MOST_RESTARTS:
            self.restarts += 1
            self._start()

    def stop(self) -> None:
        """Have every worker save its run and end."""
        self.stopping = True
        for place in self.places:
            if place.process.pid is not None:
                with suppress(OSError):
                    os.kill(place.process.pid, signal.SIGTERM)

    def _end(self) -> None:
        """Nothing is left behind, whatever ended this process."""
        for place in self.places:
            place.process.kill()
            place.process.join()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """The first signal has the runs saved; a second one ends everything at once."""

        def note(number: int, frame: FrameType | None) -> None:
            if self.signum is not None:
                raise KeyboardInterrupt
            self.signum = number
            self.stop()

        caught = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
        before = {number: signal.signal(number, note) for number in caught}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def serve(path: Path, orders: Orders, events: Connection, lifeline: Connection) -> None:
    """A worker process."""
    os.setpgid(0, 0)  # Ctrl-C goes to the process that watches, which has the workers stop
    silence(sys.stdout)  # the picture of the process that watches stands there
    call_at_end(lifeline, lambda: os.kill(os.getpid(), signal.SIGTERM))  # which has the run saved
    import torch

    torch.set_num_threads(1)
    try:
        code = work_on(path, orders, events.send)
    except (UsageError, RunFailure) as error:  # the sweep's folder cannot be read or written any more
        events.send(Event("note", "a worker", text=str(error)))
        code = 1
    sys.exit(code)
