"""One worker of a sweep: it claims a run, trains it to its end, and goes on with the next one."""

from __future__ import annotations

import gc
import os
import signal
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from seqablate.assemble import load_variants
from seqablate.config.codec import digest
from seqablate.config.compose import compose_config
from seqablate.errors import RunFailure, UsageError
from seqablate.launch.events import Event, WorkerReporter
from seqablate.sweep.claims import Claim
from seqablate.sweep.folder import PlannedRun, SweepFolder, open_sweep
from seqablate.sweep.queue import Orders, Queue
from seqablate.sweep.remains import clear_remains, was_begun
from seqablate.text import duration

WAIT = 1.0  # seconds between two looks at what others are doing
NO_MEMORY = 75  # the exit code of a worker that makes room for another one

Send = Callable[[Event], object]


class Stopped(Exception):
    """A signal came before the run began."""


def work_on(path: Path, orders: Orders, send: Send) -> int:
    """Work at a sweep until nothing is left to do, in this process.

    Args:
        path: the sweep's folder.
        orders: what to do.
        send: is told what happens.

    Returns:
        0; 128 + n when signal n ended it; NO_MEMORY when memory ran out and a new process should go on.

    Raises:
        UsageError: the folder is no sweep, or its plan is damaged.
        RunFailure: nothing can be written in it.
    """
    load_variants()
    return Worker(open_sweep(path), orders, send).work()


class Worker:
    """The loop of one process. SIGINT, SIGTERM and SIGHUP save the run that it is at, and end it."""

    def __init__(self, folder: SweepFolder, orders: Orders, send: Send) -> None:
        self.folder = folder
        self.orders = orders
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self.queue = Queue(folder, orders, self.name)
        self.stopping: int | None = None  # the signal that ends this worker
        self.pending: int | None = None  # a signal that came when no run listened
        self.left = ""  # why the present run is stopped while the worker goes on
        self.full = False  # memory ran out
        self.over = False  # a run failed, and that ends it
        self.ended = False  # the end of the present run has been told
        self._send = send

    def work(self) -> int:
        with self._signals():
            while self.stopping is None and not self.full and not self.over:
                found = self.queue.take()
                if found is not None:
                    run, claim = found
                    with claim:
                        self._carry_out(run, claim)
                    gc.collect()  # a run leaves some 2 MB of cycles, which would wait for a rare full collection
                elif self.orders.leave or not self.queue.others_work():
                    break
                else:
                    time.sleep(WAIT)
        if self.stopping is not None:
            return 128 + self.stopping
        return NO_MEMORY if self.full else 0

    def _carry_out(self, run: PlannedRun, claim: Claim) -> None:
        """Train one run. What goes wrong is told, never raised."""
        self.left, self.ended, self.pending = "", False, None
        claim.on_lost = lambda: self._leave("another worker has taken it over")
        self._tell(Event("progress", run.name, self.name, text="being prepared"))
        try:
            status = self._train(run)
        except (UsageError, RunFailure) as error:
            self.full = str(error).startswith("out of memory")
            status = "out of memory" if self.full else "failed"
            self._tell_end(run, f"failed: {error}")
        except (Stopped, KeyboardInterrupt) as reason:
            if isinstance(reason, KeyboardInterrupt):  # while kernels were compiled
                self.stopping = signal.SIGINT
            status = "interrupted"
            self._tell_end(run, "interrupted before it began", status)
        except Exception:  # whatever it is, the other runs must go on; nothing is hidden: it is told whole
            status = "failed"
            self._tell(Event("note", run.name, self.name, text=traceback.format_exc()))
            self._tell_end(run, "failed: an error in the code, see above")
        if self.left and status == "interrupted":
            self._tell(Event("note", run.name, self.name, text=self.left))
            status = "timeout" if self.left.startswith("timeout") else status
        claim.release(status)
        self.over = self.orders.fail_fast and status == "failed"

    def _train(self, run: PlannedRun) -> str:
        from seqablate.api import Watcher, resume_folder, run_config

        path = self.folder.run_path(run)
        if path.is_symlink():
            raise UsageError(f"{path} is a link: a run of a sweep has a folder of its own")
        watch = Watcher(WorkerReporter(self._tell, run.name, self.name), lambda line: self._note(run, line))
        with self._timer() as start_timer:
            if was_begun(path):
                ending = resume_folder(path, watch=watch, when_ready=start_timer)
            else:
                clear_remains(path)
                config = compose_config(run.words)
                if digest(config) != run.digest:
                    raise UsageError("its words compose to another config than when it was planned: plan it again")
                config.output_dir, config.name = str(self.folder.path), run.name
                ending = run_config(config, ["seqablate", "train", *run.words], watch=watch, when_ready=start_timer)
        if ending.signum is not None and not self.left:
            self.stopping = ending.signum
        return ending.status

    @contextmanager
    def _timer(self) -> Iterator[Callable[[], None]]:
        """What starts the clock of ``sweep.timeout``: the run is saved and left when it has run out."""
        limit = self.orders.timeout
        timer = (
            None if limit is None else threading.Timer(limit, self._leave, [f"timeout: left after {duration(limit)}"])
        )

        def start() -> None:
            if self.stopping is not None:
                raise Stopped
            if timer is not None:
                timer.start()

        try:
            yield start
        finally:
            if timer is not None:
                timer.cancel()

    def _leave(self, why: str) -> None:
        """Have the present run saved and left (called from other threads)."""
        self.left = why
        os.kill(os.getpid(), signal.SIGTERM)

    def _note(self, run: PlannedRun, line: str) -> None:
        self._tell(Event("note", run.name, self.name, text=line))

    def _tell_end(self, run: PlannedRun, text: str, status: str = "failed") -> None:
        if not self.ended:
            self._tell(Event("end", run.name, self.name, text=text, status=status))

    def _tell(self, event: Event) -> None:
        if self.pending is not None:  # now the run listens
            number, self.pending = self.pending, None
            signal.raise_signal(number)
        self.ended |= event.kind == "end"
        with suppress(OSError):  # whoever watched has gone
            self._send(event)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Between runs a signal is noted; within one it is the run's (:mod:`seqablate.training.interrupt`)."""
        numbers = [n for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) != signal.SIG_IGN]
        before = {number: signal.signal(number, self._note_signal) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note_signal(self, number: int, frame: FrameType | None) -> None:
        self.pending = number
        if not self.left:
            self.stopping = number
