"""The numbers of one arm, pooled over its seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from seqablate.comparison.arms.grouping import Group, Unit, unit_label
from seqablate.comparison.measures import Measure, ms_per_step, reach, solved, time_to_solve
from seqablate.comparison.result import ArmResult, RunLine
from seqablate.config.flat import flat_config
from seqablate.record.run import Run
from seqablate.record.schema import FINISHED
from seqablate.statistics.censored import median_time
from seqablate.statistics.interval import Interval, median, rate


def arm_result(
    group: Group,
    look: tuple[int, ...],
    measure: Measure,
    level: float,
    changed: Mapping[Path, str | None],
    pooled: Sequence[str],
) -> ArmResult:
    """One arm. ``changed`` has for each run what computed it and is another in a newer run."""
    runs = group.runs
    done = [unit for unit in group.units if all(run.status == "done" for run in unit.runs.values())]
    return ArmResult(
        label=group.label,
        config=group.config,
        look=look,
        n=len(group.units),
        seeds=[unit.seed for unit in group.units],
        statuses=dict(Counter(run.status for run in [*runs, *group.others])),
        solved=_solved(group, level),
        value=_value(group, measure, level),
        steps_to_solve=_steps(group, level),
        reach=_reach(done, level),
        clipped=_middle(_clipped(run) for run in runs),
        ms_per_step=_middle(ms_per_step(run.info) for run in runs),
        parameters=sorted({run.info.parameters for run in runs}),
        runs=[_line(run, unit_label(run, pooled), measure, changed) for run in (*runs, *group.others)],
    )


def _value(group: Group, measure: Measure, level: float) -> Interval:
    """The median over seeds; of steps to solve as the column of that name gives it, where it can."""
    if measure.censored and (steps := _steps(group, level)) is not None:
        return steps
    return median(known(seed_value(unit, measure) for unit in group.units), level)


def seed_value(unit: Unit, measure: Measure) -> float | None:
    """The number of one seed: the mean over the settings that are pooled; None where one of its runs has none."""
    values = [measure.value(run) for run in unit.runs.values()]
    numbers = known(values)
    return sum(numbers) / len(numbers) if len(numbers) == len(values) else None


def known(values: Iterable[float | None]) -> list[float]:
    """The numbers among them; NaN is none."""
    return [value for value in values if value is not None and value == value]


def _solved(group: Group, level: float) -> Interval | None:
    """Without an interval where seeds have several runs, which are not independent."""
    found = [solved(run) for run in group.runs]
    if not found or None in found:
        return None
    k, n = sum(map(bool, found)), len(found)
    return rate(k, n, level) if group.single else Interval(k / n, None, None, n, level)


def _steps(group: Group, level: float) -> Interval | None:
    found = [time_to_solve(run) for run in group.runs]
    times = [one for one in found if one is not None]
    if not times or len(times) < len(found) or not group.single:
        return None
    return median_time([time for time, _ in times], [happened for _, happened in times], level)


def _reach(units: Sequence[Unit], level: float) -> Interval | None:
    found = known(reach(unit.run.info) for unit in units if len(unit.runs) == 1)
    return median(found, level) if found else None


def _clipped(run: Run) -> float | None:
    return None if flat_config(run.config).get("clip") == "none" else run.info.clipped_share


def _middle(values: Iterable[float | None]) -> float | None:
    return median(known(values)).estimate


def _line(run: Run, unit: str, measure: Measure, changed: Mapping[Path, str | None]) -> RunLine:
    info = run.info
    steps = time_to_solve(run) if run.status in FINISHED else None
    return RunLine(
        name=run.name,
        path=str(run.path),
        unit=unit,
        seed=info.seed,
        status=info.status,
        step=info.step,
        value=measure.value(run),
        solved=solved(run) if run.status in FINISHED else None,
        solved_at=info.solved_at,
        steps_to_solve=None if steps is None else steps[0],
        message=info.message,
        other_code=changed.get(run.path),
        command=info.command,
    )
