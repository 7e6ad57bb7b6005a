"""What running a study will take: runs, minutes on this machine, and how likely it is to decide. Nothing is written."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from seqablate.launch.base import still_to_do
from seqablate.launch.command import check_runs, foresee
from seqablate.launch.estimate import makespan, measure
from seqablate.launch.local import cores
from seqablate.record.rows import strict
from seqablate.study.file import Study
from seqablate.study.frozen import Frozen
from seqablate.study.power import Power, power_of
from seqablate.study.request import Request
from seqablate.study.run import ask
from seqablate.study.runs import check_arms
from seqablate.study.sweeps import Stage, choose, deciding_stage, tuning_stage, untuned
from seqablate.sweep.options import split_options
from seqablate.sweep.standing import RunStanding


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that ``study plan`` says.

    Attributes:
        tuning, deciding: runs in all.
        missing: runs that are to be done.
        seconds: for them; None where nothing is to be done.
        may_stop: whether runs end early when they have solved their task, so that it takes less.
    """

    frozen: Frozen
    folder: str
    tuning: int
    deciding: int
    missing: int
    powers: list[Power]
    seconds: float | None
    may_stop: bool
    workers: int

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        plain: dict[str, Any] = strict(asdict(self))
        return plain


def make_plan(request: Request) -> Plan:
    """Time a short run of each arm (UsageError for a study that cannot be run here)."""
    begun, frozen = time.perf_counter(), request.frozen
    check_arms(frozen.study, quick=frozen.quick)
    tuning = tuning_stage(request.folder, frozen)
    chosen = untuned(frozen) if tuning is None or tuning.unfinished() else choose(frozen, tuning)
    deciding = deciding_stage(request.folder, frozen, chosen, len(frozen.seeds))
    both = [stage for stage in (tuning, deciding) if stage is not None]
    left = [_left(request, stage) for stage in both]
    seconds, may_stop, workers = _time(request, left, begun)
    return Plan(
        frozen=frozen,
        folder=str(request.folder),
        tuning=0 if tuning is None else len(tuning.words),
        deciding=len(deciding.words),
        missing=sum(map(len, left)),
        powers=[power_of(each, frozen.looks[-1], frozen.alpha) for each in frozen.study.criterion],
        seconds=seconds,
        may_stop=may_stop,
        workers=workers,
    )


def _left(request: Request, stage: Stage) -> list[RunStanding]:
    """The runs of a stage that are to be done."""
    asked = ask(stage, request.options, quiet=True)
    ahead = foresee(asked)
    return still_to_do(check_runs(ahead.existing, ahead.runs, asked.options, touch=False).left, asked.options)


def _time(request: Request, left: Sequence[list[RunStanding]], begun: float) -> tuple[float | None, bool, int]:
    """Seconds of all runs that are left, whether they may end early, and how many workers there are.

    Each arm is timed once: what is tuned changes the values of a run and hardly its time.
    """
    missing = [one for each in left for one in each]
    if not missing:
        return None, False, 0
    here, asked = cores([one.run for one in missing]), split_options(request.options)[0].workers
    workers = min(len(missing), asked or here)
    samples = {_arm(one, request.frozen.study): one for one in reversed(missing)}
    estimate = measure(list(samples.values()), min(workers, here), begun)
    costs = dict(zip(samples, estimate.seconds, strict=True))
    stages = (makespan([costs[_arm(one, request.frozen.study)] for one in each], workers) for each in left)
    return estimate.before + sum(stages), estimate.may_stop, workers


def _arm(one: RunStanding, study: Study) -> frozenset[str]:
    """What the runs of an arm have in common."""
    return frozenset(word for word in one.run.words if word.partition("=")[0] not in ("seed", *study.tune))
