"""The process that hands a sweep to Ray: it keeps as many tasks going as there is work for, and replaces lost ones."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from seqablate.errors import shorten
from seqablate.launch.base import Sweep
from seqablate.launch.cluster.placing import Errands, Placing, Task, Workers
from seqablate.launch.cluster.remote import Desk
from seqablate.launch.events import Event
from seqablate.launch.screen import SweepScreen
from seqablate.training.interrupt import Interruption

PERIOD = 0.25  # seconds between two looks at tasks and events
MOST_LOSSES = 3  # tasks for each place that may end with no run ended between


class Driver:
    """The driver of one sweep.

    Args:
        ray: the module, connected to a cluster.
        sweep: what is to be done.
        screen: is told of every event.
        count: how many tasks at once.
        needs: what a task needs, in Ray's words.
        shared: whether every node sees the folder of the sweep.
    """

    def __init__(
        self, ray: Any, sweep: Sweep, screen: SweepScreen, count: int, needs: Mapping[str, int], *, shared: bool
    ) -> None:
        self.ray = ray
        self.screen = screen
        self.count = count
        self.fail_fast = sweep.options.sweep.fail_fast
        self.desk = ray.remote(Desk).options(num_cpus=0, scheduling_strategy=_here(ray)).remote()
        options = {**needs, "max_retries": 0}  # this process decides what becomes of a lost task
        self.placing: Placing = (Workers if shared else Errands)(ray, sweep, self.desk, options)
        self.tasks: dict[Any, Task] = {}
        self.at: dict[str, str] = {}  # the run that a task is at, by the task's name
        self.losses = 0  # tasks that have ended since a run ended
        self.over = False  # nothing more is begun

    def run(self) -> int:
        """Until nothing is left to do; 128 + n when signal n ended it, else 0."""
        with Interruption() as interruption:
            while self._fill() or self.tasks or (not self.over and self.placing.queue.others_work()):
                self._await()
                self._listen()
                if interruption.signum is not None and not self.over:
                    self.stop()
        return 0 if interruption.signum is None else 128 + interruption.signum

    def stop(self) -> None:
        """Begin nothing more, call back what waits for resources, and have the runs that go on saved."""
        self.over = True
        arrived = self.ray.get(self.desk.close.remote())
        for reference, task in self.tasks.items():
            if task.name not in arrived:
                self.ray.cancel(reference)

    def _fill(self) -> bool:
        """Begin tasks while there are places and work; whether one was begun."""
        before = len(self.tasks)
        while not self.over and len(self.tasks) < self.count:
            begun = self.placing.begin(self._end_of_run)
            if begun is None:
                break
            reference, task = begun
            self.tasks[reference] = task
        return len(self.tasks) > before

    def _await(self) -> None:
        if not self.tasks:
            time.sleep(PERIOD)
            return
        ended, _ = self.ray.wait(list(self.tasks), num_returns=len(self.tasks), timeout=PERIOD)
        for reference in ended:
            self._end(reference, self.tasks.pop(reference))

    def _end(self, reference: Any, task: Task) -> None:
        """A task is over: it has done what it could, or it was lost."""
        self.losses += 1
        try:
            answer = self.ray.get(reference)
        except self.ray.exceptions.TaskCancelledError:  # by stop()
            self.placing.lose(task, "interrupted")
        except self.ray.exceptions.RayTaskError as error:
            self._lose(task, "failed", f"a task of Ray failed: {shorten(_reason(error), 300)}")
        except self.ray.exceptions.RayError as error:
            self._lose(task, "killed", f"a worker was lost ({type(error).__name__})")
        else:
            self._listen()  # what it told before it ended comes first
            self.placing.end(task, answer, self._end_of_run)
            self.at.pop(task.name, None)
        if self.losses > MOST_LOSSES * self.count and not self.over:
            self._note("", "tasks of Ray end without having trained a run: no more are begun")
            self.stop()

    def _lose(self, task: Task, status: str, what: str) -> None:
        self.placing.lose(task, status)
        self._note(self.at.pop(task.name, "" if task.run is None else task.run.name), what)

    def _note(self, run: str, text: str) -> None:
        self.screen.event(Event("note", run or "ray", text=text))

    def _listen(self) -> None:
        """Show what the tasks have told."""
        for event in self._told():
            if event.kind in ("begin", "progress"):
                self.at[event.worker] = event.run
            elif event.kind == "end":
                self.at.pop(event.worker, None)
                self._count(event)
            self.screen.event(event)
        self.screen.tick()

    def _told(self) -> list[Event]:
        found: list[dict[str, Any]] = self.ray.get(self.desk.collect.remote())
        return [Event(**{**event, "curve": tuple(event["curve"])}) for event in found]

    def _end_of_run(self, event: Event) -> None:
        """A run has ended in this process: it could not be begun, or did not arrive whole."""
        self._count(event)
        self.screen.event(replace(event, worker="driver"))

    def _count(self, event: Event) -> None:
        self.losses = 0
        if self.fail_fast and event.status == "failed" and not self.over:
            self.stop()


def _here(ray: Any) -> Any:
    """On the node of this process, which must not be lost before the others."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)


def _reason(error: BaseException) -> str:
    """The last line of the traceback that Ray brings home."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__
