"""How many runs of a sweep stand how, by arm, and how long the rest will take. Pure counting."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence

from seqablate.record.schema import FINISHED
from seqablate.sweep.folder import PlannedRun
from seqablate.sweep.standing import RunStanding

STATES = ("done", "diverged", "running", "failed", "to do")
Arm = tuple[tuple[str, str], ...]  # the swept keys but the seed, with their values


class Tally:
    """The state of every run of a sweep, one of :data:`STATES`.

    Args:
        standings: of every run of the plan.
        wanted: names of the runs that are to be done whatever their standing says, such as failed ones once more.
    """

    def __init__(self, standings: Sequence[RunStanding], wanted: Collection[str] = ()) -> None:
        self.runs: dict[str, PlannedRun] = {each.run.name: each.run for each in standings}
        self.states: dict[str, str] = {}
        self.spent: dict[Arm, list[float]] = defaultdict(list)  # seconds of each finished run
        for each in standings:
            standing = "pending" if each.run.name in wanted else each.standing
            self.put(each.run.name, standing, each.info.seconds.total if each.info else 0.0)

    def put(self, name: str, standing: str, seconds: float = 0.0) -> None:
        """A run stands so now; a finished one has taken this long."""
        self.states[name] = standing if standing in STATES else "to do"
        if standing in FINISHED:
            self.spent[self.runs[name].arm].append(seconds)

    @property
    def by_arm(self) -> dict[Arm, Counter[str]]:
        """Arm -> how many of its runs are in which state, in the order of the plan."""
        found: dict[Arm, Counter[str]] = defaultdict(Counter)
        for name, state in self.states.items():
            found[self.runs[name].arm][state] += 1
        return dict(found)

    @property
    def totals(self) -> Counter[str]:
        return Counter(self.states.values())

    @property
    def count(self) -> str:
        """``[17/45]``: how many runs have come to an end of their own."""
        ended = sum(self.totals[state] for state in ("done", "diverged", "failed"))
        return f"[{ended}/{len(self.runs)}]"

    def left(self, workers: int, reached: Mapping[str, float]) -> float | None:
        """Seconds until everything is done, by the mean of the finished runs, of the same arm where there are any.

        Args:
            workers: how many runs go on at once.
            reached: the share of its steps that each run has made.

        Returns:
            None while no run is finished, or nobody works.
        """
        every = [seconds for spent in self.spent.values() for seconds in spent]
        if not every or workers < 1:
            return None
        overall = sum(every) / len(every)
        each = [
            self._mean(name, overall) * (1 - reached.get(name, 0.0))
            for name, state in self.states.items()
            if state in ("running", "to do")
        ]
        return max(sum(each) / workers, max(each, default=0.0))

    def _mean(self, name: str, otherwise: float) -> float:
        spent = self.spent.get(self.runs[name].arm)
        return sum(spent) / len(spent) if spent else otherwise
