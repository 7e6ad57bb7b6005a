"""Which run of a sweep is next: the first of the plan that is to be done and that nobody has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from seqablate.sweep.claims import Claim, Claims
from seqablate.sweep.folder import PlannedRun, SweepFolder
from seqablate.sweep.standing import RunStanding, is_to_do, standing_of

MOST_DEATHS = 2  # workers that may die of one run before it is left alone
DEATHS = (None, "killed", "out of memory")  # how claims end that say nothing against the run


@dataclass(frozen=True)
class Orders:
    """What a worker is told of the sweep; plain data, for another process.

    Attributes:
        retry_failed: train failed runs again, once.
        timeout: seconds after which a run is saved and left, None: never.
        lease: seconds after which a claim that is not renewed counts as that of a dead worker.
        leave: end when nothing can be claimed, instead of waiting for what others may leave behind.
        fail_fast: end when a run fails.
        runs: names of the runs to be done, None: all of the plan.
        before: the newest claim of each run when the command was given: what came before it does not count.
    """

    retry_failed: bool = False
    timeout: float | None = None
    lease: float = 120.0
    leave: bool = False
    fail_fast: bool = False
    runs: frozenset[str] | None = None
    before: Mapping[str, int] = field(default_factory=dict)


class Queue:
    """The runs of a sweep as one process takes them.

    Args:
        folder: the sweep.
        orders: which runs are to be done.
        worker: what the process calls itself in its claims.
    """

    def __init__(self, folder: SweepFolder, orders: Orders, worker: str) -> None:
        self.folder = folder
        self.orders = orders
        self.claims = Claims(folder.claims, worker, orders.lease)
        self._settled: set[str] = set()  # runs that need no second look

    def take(self) -> tuple[PlannedRun, Claim] | None:
        """The next run, claimed; None if there is none now."""
        for run in self._open():
            claim = self.claims.take(run.name) if self._wanted(standing_of(self.folder, run)) else None
            if claim is None:
                continue
            now = standing_of(self.folder, run)
            if self._wanted(now):  # still, now that nobody else can change it
                return run, claim
            claim.release(now.standing)
        return None

    def has_more(self) -> bool:
        """Whether there is a run to be taken now."""
        return any(self._wanted(standing_of(self.folder, run)) and not self._is_held(run) for run in self._open())

    def others_work(self) -> bool:
        """Whether somebody has a run that would have to be finished if they died."""
        return any(self.claims.holder(run.name) for run in self._open())

    def _open(self) -> list[PlannedRun]:
        """What the plan has now that is not settled: it may grow while a worker is at it."""
        only = self.orders.runs
        return [r for r in self.folder.runs if r.name not in self._settled and (only is None or r.name in only)]

    def _wanted(self, found: RunStanding) -> bool:
        """Whether a run is to be done now; what will never be is remembered."""
        if found.standing == "running":
            return False
        if not is_to_do(found.standing, self.orders.retry_failed) or self._given_up(found.run.name):
            self._settled.add(found.run.name)
            return False
        return True

    def _given_up(self, name: str) -> bool:
        """Whether a run has had its chances since the command was given."""
        endings = self.claims.ended(name, self.orders.before)
        deaths = sum(ending in DEATHS for ending in endings)
        return deaths >= MOST_DEATHS or any(ending in ("failed", "timeout") for ending in endings)

    def _is_held(self, run: PlannedRun) -> bool:
        holder = self.claims.holder(run.name)
        return holder is not None and holder.alive
