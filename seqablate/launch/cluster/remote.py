"""What a Ray worker process does: it works at a sweep whose folder it sees, or trains one run that it is sent.

What goes there and comes back consists of plain values (text, numbers, bytes), so that the driver and the nodes need
not have seqablate in the same place.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from seqablate.launch.cluster.parcel import pack, unpack
from seqablate.launch.events import Event
from seqablate.launch.work import Send, work_on
from seqablate.sweep.claims import Claims
from seqablate.sweep.folder import PlannedRun, Request, make_sweep
from seqablate.sweep.queue import Orders
from seqablate.sweep.remains import was_begun

PERIOD = 1.0  # seconds between two questions whether the driver wants an end


class Desk:
    """Where workers hand in what happened, and ask whether they are to end. A Ray actor, beside the driver."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.closed = False
        self.arrived: list[str] = []

    def arrive(self, task: str) -> None:
        """A task begins: until then it only waits for resources."""
        self.arrived.append(task)

    def hand_in(self, event: dict[str, Any]) -> None:
        self.events.append(event)

    def collect(self) -> list[dict[str, Any]]:
        """What was handed in since this was asked last."""
        events, self.events = self.events, []
        return events

    def close(self) -> list[str]:
        """Have every task end; those that have begun."""
        self.closed = True
        return self.arrived

    def is_closed(self) -> bool:
        return self.closed


def work_there(path: str, orders: dict[str, Any], desk: Any, task: str) -> int:
    """Work at the sweep in ``path`` as one of its workers; see :func:`seqablate.launch.work.work_on`."""
    with _listening(desk, task) as send:
        return work_on(Path(path), Orders(**orders), send)


def train_there(
    run: dict[str, Any], orders: dict[str, Any], begun: bytes | None, desk: Any, task: str
) -> tuple[str, bytes | None]:
    """Train one run in a temporary folder of this node.

    Args:
        run: a :class:`PlannedRun`.
        orders: :class:`Orders`.
        begun: the archive of what there is of the run already.
        desk: see :class:`Desk`.
        task: what this is known by.

    Returns:
        How the run's claim ended, and the archive of the run folder; None if nothing was recorded.
    """
    with TemporaryDirectory(prefix="seqablate-") as place, _listening(desk, task) as send:
        folder, planned = make_sweep(Path(place)), PlannedRun(**run)
        folder.extend(Request(planned.words, planned.digest, [planned.name]), [planned])
        home = folder.run_path(planned)
        if begun is not None:
            unpack(begun, home)
        work_on(folder.path, Orders(**orders), send)
        endings = Claims(folder.claims, "").ended(planned.name)
        status = (endings[-1] if endings else "interrupted") or "killed"
        return status, pack(home) if was_begun(home) else None


@contextmanager
def _listening(desk: Any, task: str) -> Iterator[Send]:
    """What takes events to the driver; when the driver wants an end, the run that goes on is saved."""
    import ray

    ray.get(desk.arrive.remote(task))
    handed_in: list[Any] = []

    def send(event: Event) -> None:
        handed_in[:] = [desk.hand_in.remote(asdict(event) | {"worker": task})]

    ended = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda number, frame: None)  # one that comes after the last run is late
    listener = threading.Thread(target=_obey, args=(lambda: ray.get(desk.is_closed.remote()), ended), daemon=True)
    listener.start()
    try:
        yield send
        ray.get(handed_in)
    finally:
        ended.set()
        listener.join()
        signal.signal(signal.SIGTERM, before)


def _obey(is_closed: Callable[[], bool], ended: threading.Event) -> None:
    from ray.exceptions import RayError

    while not ended.wait(PERIOD):
        try:
            closed = is_closed()
        except RayError:  # there is no driver any more
            closed = True
        if closed:
            os.kill(os.getpid(), signal.SIGTERM)
            return
