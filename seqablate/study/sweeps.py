"""The two sweeps in the folder of a study: ``tuning/``, which chooses what is tuned, and ``runs/``, which decide.

They are ordinary sweeps: ``seqablate status``, ``work``, ``resume`` and ``show`` take them as any other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median

from seqablate.comparison.measures import find_measure, solved
from seqablate.record.run import Run
from seqablate.record.schema import FINISHED
from seqablate.study.criterion import Criterion
from seqablate.study.frozen import Frozen
from seqablate.study.runs import Point, points, run_words
from seqablate.study.verdict import Measures
from seqablate.sweep.folder import is_sweep, open_sweep
from seqablate.sweep.standing import RunStanding, standing_of

TUNING, RUNS = "tuning", "runs"


@dataclass(frozen=True, order=True)
class Job:
    """One run of a study."""

    arm: str
    point: Point
    seed: int


@dataclass(frozen=True)
class Stage:
    """Some runs that a study needs.

    Attributes:
        path: the folder of their sweep.
        words: of each run, in the order in which the runs are begun.
    """

    path: Path
    words: Mapping[Job, list[str]]

    @cached_property
    def standings(self) -> dict[Job, RunStanding | None]:
        """How each run stands; None where it is not planned yet."""
        if not is_sweep(self.path):
            return dict.fromkeys(self.words)
        folder = open_sweep(self.path)
        planned = {frozenset(run.words): run for run in folder.runs}
        named = {job: planned.get(frozenset(words)) for job, words in self.words.items()}
        return {job: None if run is None else standing_of(folder, run) for job, run in named.items()}

    def unfinished(self) -> dict[Job, str]:
        """The runs that have no result, and why: ``pending``, ``failed: no space left on device``."""
        return {job: _why(found) for job, found in self.standings.items() if not _finished(found)}

    def runs(self, jobs: Iterable[Job]) -> list[Run]:
        """Runs that have a result (KeyError for one that is not planned)."""
        found = [self.standings[job] for job in jobs]
        return [Run(self.path / standing.run.name) for standing in found if standing is not None]


def _finished(found: RunStanding | None) -> bool:
    return found is not None and found.standing in FINISHED


def _why(found: RunStanding | None) -> str:
    if found is None:
        return "not planned"
    return f"{found.standing}: {found.message}" if found.message else found.standing


def tuning_stage(folder: Path, frozen: Frozen) -> Stage | None:
    """Every point in every arm on the seeds of tuning; None where nothing is tuned."""
    study = frozen.study
    if not study.tune:
        return None
    jobs = [Job(arm, point, seed) for seed in frozen.tuning_seeds for point in points(study) for arm in study.arms]
    return _stage(folder / TUNING, frozen, jobs)


def deciding_stage(folder: Path, frozen: Frozen, chosen: Mapping[str, Point], look: int) -> Stage:
    """Every arm as it was tuned, on the seeds up to a look."""
    jobs = [Job(arm, chosen[arm], seed) for seed in frozen.seeds[:look] for arm in frozen.study.arms]
    return _stage(folder / RUNS, frozen, jobs)


def _stage(path: Path, frozen: Frozen, jobs: Sequence[Job]) -> Stage:
    words = {job: run_words(frozen.study, job.arm, job.point, job.seed, quick=frozen.quick) for job in jobs}
    return Stage(path, words)


def untuned(frozen: Frozen) -> dict[str, Point]:
    """The first point for each arm: what it is where nothing is tuned."""
    return dict.fromkeys(frozen.study.arms, points(frozen.study)[0])


def choose(frozen: Frozen, stage: Stage) -> dict[str, Point]:
    """The point of each arm that did best in tuning: in the share of solved runs, then in the median of the metric.

    The metric is that of the last evaluation, never of test data; where a criterion measures the steps to solve the
    task, their median comes first. Of points that are equal the one that the file names first is taken.
    """
    timed = any(criterion.measure == "steps_to_solve" for criterion in frozen.study.criterion)

    def merit(arm: str, point: Point) -> tuple[float, ...]:
        runs = stage.runs(Job(arm, point, seed) for seed in frozen.tuning_seeds)
        steps = find_measure("steps_to_solve", runs)
        times = [_known(steps.value(run), math.inf) for run in runs] if timed else [0.0]
        return -sum(bool(solved(run)) for run in runs), median(times), median(map(_loss, runs))

    return {arm: min(points(frozen.study), key=lambda point: merit(arm, point)) for arm in frozen.study.arms}


def _loss(run: Run) -> float:
    """The headline metric of the last evaluation, less being better."""
    value = run.info.final_value if run.status == "done" else None
    if value is None or math.isnan(value):
        return math.inf
    return value if run.info.metric.lower_is_better else -value


def _known(value: float | None, otherwise: float) -> float:
    return otherwise if value is None or math.isnan(value) else value


def measure(criteria: Sequence[Criterion], runs: Mapping[str, Sequence[Run]]) -> Measures:
    """What the criteria need of the runs of each arm, which stand in the order of their seeds."""
    return {name: {arm: values(name, mine) for arm, mine in runs.items()} for name in {c.measure for c in criteria}}


def values(name: str, runs: Sequence[Run]) -> list[float | None]:
    """One measure of some runs: of ``solved`` 1 or 0; None where a run has none."""
    if name == "solved":
        return [_number(solved(run)) for run in runs]
    measured = find_measure(None if name == "value" else name, runs)
    return [_number(measured.value(run)) for run in runs]


def _number(value: float | bool | None) -> float | None:
    return None if value is None or math.isnan(value) else float(value)
