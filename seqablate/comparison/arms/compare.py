"""From runs to a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from seqablate.comparison.arms.claim import claim
from seqablate.comparison.arms.contrasts import contrast, corrected, effects, find_against
from seqablate.comparison.arms.grouping import Grouping, group_runs, looks, read_settings
from seqablate.comparison.arms.results import arm_result
from seqablate.comparison.arms.unfair import notes
from seqablate.comparison.code import other_code
from seqablate.comparison.measures import Measure, find_measure
from seqablate.comparison.result import Comparison, LeftOut, Scale
from seqablate.record.run import Run


def compare_runs(
    runs: Sequence[Run],
    *,
    by: Sequence[str] | None = None,
    where: Sequence[str] = (),
    baseline: Sequence[str] = (),
    metric: str | None = None,
    level: float = 0.95,
    requests: Mapping[Path, int] | None = None,
    left_out: Sequence[LeftOut] = (),
) -> Comparison:
    """Compare arms of runs, pooled over their seeds.

    Args:
        runs: at least one.
        by: keys that define the arms; None: all in which the runs differ, but the seed.
        where: ``key=value[,value...]``: only these runs.
        baseline: ``key=value``: the level that others are compared with; empty: the first arm.
        metric: the metric of the task (None), ``loss``, or another measure of :mod:`seqablate.comparison.measures`.
        level: of every interval.
        requests: for runs of a sweep the number of the request that planned them.
        left_out: folders that could not be read.

    Raises:
        UsageError: a setting that no run has, runs of different metrics, or no run left.
    """
    grouping = group_runs(runs, by, where)
    counted = [run for group in grouping.groups for run in group.runs]
    kept = [*counted, *(run for group in grouping.groups for run in group.others)]
    measure = find_measure(metric, kept)
    against = find_against(grouping, read_settings(baseline, kept, "--baseline"))
    changed = {run.path: what for run, what in zip(counted, other_code(counted), strict=True)}
    arms = [
        arm_result(group, look, measure, level, changed, grouping.pooled)
        for group, look in zip(grouping.groups, looks(grouping.groups, grouping.factors), strict=True)
    ]
    contrasts, found = corrected([contrast(one, measure, level) for one in against], effects(grouping, measure, level))
    scale = _scale(measure, kept)
    return Comparison(
        factors=grouping.factors,
        scale=scale,
        arms=arms,
        contrasts=contrasts,
        effects=found,
        claim=claim(arms, contrasts, scale),
        notes=notes(grouping, against, measure, changed, requests or {}, contrasts, found),
        left_out=[*left_out, *grouping.left_out, *_unended(grouping)],
        level=level,
    )


def _unended(grouping: Grouping) -> list[LeftOut]:
    others = [run for group in grouping.groups for run in group.others]
    return [
        LeftOut(path=str(run.path), why=run.info.standing + (f": {run.info.message}" if run.info.message else ""))
        for run in others
    ]


def _scale(measure: Measure, runs: Sequence[Run]) -> Scale:
    """Chance and goal where all runs have the same."""
    metrics = [run.info.metric for run in runs]
    headline = all(metric.name == measure.name for metric in metrics) and measure.split is not None
    chances, goals = {metric.chance for metric in metrics}, {metric.goal for metric in metrics}
    return Scale(
        name=measure.name,
        split=measure.split,
        unit=measure.unit,
        lower_is_better=measure.lower_is_better,
        chance=chances.pop() if headline and len(chances) == 1 else None,
        goal=goals.pop() if headline and len(goals) == 1 else None,
    )
