"""What the runs of a study say, as far as there are any: read from its folder alone. Nothing is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from seqablate.record.run import Run
from seqablate.study.frozen import Frozen
from seqablate.study.runs import Point
from seqablate.study.sweeps import Job, Stage, choose, deciding_stage, measure, tuning_stage, untuned
from seqablate.study.verdict import Verdict, decide


@dataclass(frozen=True)
class Look:
    """The verdict after so many seeds.

    Attributes:
        seeds: how many.
        verdict: NOT RUN, without findings, while runs are missing.
        chosen: the tuned words of each arm; empty while tuning is not done.
        runs: of each arm, in the order of the seeds; empty while runs are missing.
        missing: a line for each run without a result.
    """

    seeds: int
    verdict: Verdict
    chosen: dict[str, Point] = field(default_factory=dict)
    runs: dict[str, list[Run]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


def latest_look(folder: Path, frozen: Frozen) -> Look:
    """The look that decides: the first one at which the claim is supported or contradicted, else the last one."""
    for look in frozen.looks:
        found = look_at(folder, frozen, look)
        if found.verdict.word != "INCONCLUSIVE":
            break
    return found


def look_at(folder: Path, frozen: Frozen, seeds: int) -> Look:
    """The verdict on the first so many seeds."""
    tuning = tuning_stage(folder, frozen)
    if tuning is not None and (missing := _missing(tuning)):
        return Look(seeds, Verdict("NOT RUN", []), missing=missing)
    chosen = untuned(frozen) if tuning is None else choose(frozen, tuning)
    stage = deciding_stage(folder, frozen, chosen, seeds)
    if missing := _missing(stage):
        return Look(seeds, Verdict("NOT RUN", []), chosen, missing=missing)
    runs = {arm: stage.runs(Job(arm, chosen[arm], seed) for seed in frozen.seeds[:seeds]) for arm in frozen.study.arms}
    measured = measure(frozen.study.criterion, runs)
    verdict = decide(frozen.study.criterion, measured, alpha=frozen.alpha, quick=frozen.quick)
    return Look(seeds, verdict, chosen, runs)


def _missing(stage: Stage) -> list[str]:
    return [
        f"{stage.path.name}: {' '.join([job.arm, *job.point])} seed={job.seed}: {why}"
        for job, why in stage.unfinished().items()
    ]
