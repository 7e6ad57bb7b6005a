"""The numbers of one arm, pooled over its seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from seqablate.compare.arms.grouping import Group, Unit
from seqablate.compare.comparison import ArmResult, RunLine
from seqablate.compare.measures import ENDED, Measure, ms_per_step, reach, solved, time_to_solve
from seqablate.config.flat import flat_config
from seqablate.record.run import Run
from seqablate.statistics.censored import median_time
from seqablate.statistics.interval import Interval, median, rate


def arm_result(
    group: Group, look: tuple[int, ...], measure: Measure, level: float, changed: Mapping[Path, str | None]
) -> ArmResult:
    """One arm. ``changed`` has for each run what computed it and is another in a newer run."""
    runs = [unit.run for unit in group.units]
    done = [run for run in runs if run.status == "done"]
    return ArmResult(
        label=group.label,
        config=group.config,
        look=look,
        n=len(runs),
        seeds=[run.info.seed for run in runs],
        statuses=dict(Counter(run.status for run in [*runs, *group.others])),
        solved=_solved(runs, level),
        value=median(known(measure.value(run) for run in runs), level),
        steps_to_solve=_steps(runs, level),
        reach=_reach(done, level),
        clipped=_middle(_clipped(run) for run in runs),
        ms_per_step=_middle(ms_per_step(run.info) for run in runs),
        parameters=sorted({run.info.parameters for run in runs}),
        runs=[
            *(_line(unit.run, unit.label, measure, changed) for unit in group.units),
            *(_line(run, Unit((("seed", str(run.info.seed)),), run).label, measure, changed) for run in group.others),
        ],
    )


def known(values: Iterable[float | None]) -> list[float]:
    """The numbers among them."""
    return [value for value in values if value is not None]


def _solved(runs: Sequence[Run], level: float) -> Interval | None:
    found = [solved(run) for run in runs]
    return rate(sum(map(bool, found)), len(found), level) if found and None not in found else None


def _steps(runs: Sequence[Run], level: float) -> Interval | None:
    found = [time_to_solve(run) for run in runs]
    times = [one for one in found if one is not None]
    if not times or len(times) < len(found):
        return None
    return median_time([time for time, _ in times], [happened for _, happened in times], level)


def _reach(runs: Sequence[Run], level: float) -> Interval | None:
    found = known(reach(run.info) for run in runs)
    return median(found, level) if found else None


def _clipped(run: Run) -> float | None:
    return None if flat_config(run.config).get("clip") == "none" else run.info.clipped_share


def _middle(values: Iterable[float | None]) -> float | None:
    return median(known(values)).estimate


def _line(run: Run, unit: str, measure: Measure, changed: Mapping[Path, str | None]) -> RunLine:
    info = run.info
    steps = time_to_solve(run) if run.status in ENDED else None
    return RunLine(
        name=run.name,
        path=str(run.path),
        unit=unit,
        seed=info.seed,
        status=info.status,
        step=info.step,
        value=measure.value(run),
        solved=solved(run) if run.status in ENDED else None,
        solved_at=info.solved_at,
        steps_to_solve=None if steps is None else steps[0],
        message=info.message,
        other_code=changed[run.path],
        command=info.command,
    )
