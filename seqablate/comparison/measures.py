"""What is measured of one run: each measure in one place, for comparisons and for studies. Reads run.json only."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from seqablate.errors import UsageError, printable
from seqablate.record.run import Run
from seqablate.record.schema import FINISHED, RunInfo
from seqablate.signals.fit import Fit

Split = Literal["test", "evaluation"]


@dataclass(frozen=True, slots=True)
class Measure:
    """A number of a run.

    Args:
        name: as one asks for it.
        unit: for headings and axes.
        lower_is_better: direction.
        of: the number; None where a run has none. It is asked of runs that are done; see :meth:`value`.
        split: the data that it is measured on; None: on none.
        cost: of computing (time, parameters), which a run that diverged has as well.
        censored: whether a run that is done may have ended before there was a number.
    """

    name: str
    unit: str
    lower_is_better: bool
    of: Callable[[RunInfo], float | None]
    split: Split | None = None
    cost: bool = False
    censored: bool = False

    @property
    def worst(self) -> float:
        """The worst possible number: that of a run that diverged."""
        return math.inf if self.lower_is_better else -math.inf

    def value(self, run: Run) -> float | None:
        """The number of a run, the worst one instead of NaN; None where it has none, or has not ended by itself."""
        if run.status not in FINISHED:
            return None
        if run.status == "diverged" and not self.cost:
            return self.worst
        value = self.of(run.info)
        return self.worst if value is not None and math.isnan(value) else value


def solved(run: Run) -> bool | None:
    """Whether a run solved its task and still did at its end, on test data too; None where the task has no goal."""
    if run.info.metric.goal is None:
        return None
    return run.status == "done" and run.info.keeps


def time_to_solve(run: Run) -> tuple[float, bool] | None:
    """(updates until the task was solved, True), or (updates made without solving it, False); None without a goal.

    A run that diverged will never solve its task: (inf, False). One that had solved it and lost it again has not solved
    it: (updates made, False).
    """
    found = solved(run)
    if found is None:
        return None
    if found and run.info.solved_at is not None:
        return float(run.info.solved_at), True
    return (math.inf if run.status == "diverged" else float(run.info.step)), False


def headline_decay(info: RunInfo) -> Fit | None:
    """The fit at the place that stands for the run: the first layer's memory."""
    return max(info.decay, key=lambda fit: fit.place.rank, default=None)


def reach(info: RunInfo) -> float | None:
    """Lags until 1 % of the gradient is left; inf where more is left at the end of the lag curve."""
    fit = headline_decay(info)
    if fit is None or fit.verdict == "unknown":
        return None
    return math.inf if fit.hundredth is None else float(fit.hundredth)


def gradient_factor(info: RunInfo) -> float | None:
    """Multiplication of the gradient per lag, by the line through the last lag curve."""
    fit = headline_decay(info)
    return None if fit is None else fit.factor


def ms_per_step(info: RunInfo) -> float | None:
    """Wall time of a training step in milliseconds, without evaluations."""
    return 1000 * info.seconds.train / info.step if info.step and info.seconds.train > 0 else None


def _steps_to_solve(info: RunInfo) -> float | None:
    return float(info.solved_at) if info.solved_at is not None and info.keeps else math.inf


def _value(split: Split) -> Callable[[RunInfo], float | None]:
    return (lambda info: info.test_value) if split == "test" else (lambda info: info.final_value)


def _loss(split: Split) -> Callable[[RunInfo], float | None]:
    if split == "test":
        return lambda info: None if info.test is None else info.test.loss
    return lambda info: None if info.final is None else info.final.get("loss")


def headline(runs: Sequence[Run]) -> Measure:
    """The metric of the runs' tasks, on test data where every run that is done was tested.

    Raises:
        UsageError: the tasks have different ones.
    """
    found = {(run.info.metric.name, run.info.metric.lower_is_better) for run in runs}
    if len(found) > 1:
        names = ", ".join(sorted(printable(name) for name, _ in found))
        raise UsageError(
            f"the tasks of these runs have different metrics ({names}): choose runs with --where task=NAME"
        )
    metric, split = runs[0].info.metric, split_of(runs)
    return Measure(metric.name, metric.unit, metric.lower_is_better, _value(split), split)


def at_length(name: str, runs: Sequence[Run]) -> Measure | None:
    """``accuracy@256``: the metric of the runs' tasks, or ``loss@256``, on test data of another length.

    None where ``name`` is no such word, or runs are done and none was tested at that length. ``value@256`` is the
    metric, whatever its name.
    """
    what, _, digits = name.partition("@")
    done = any(run.status == "done" for run in runs)
    if not digits.isdecimal() or (done and int(digits) not in tested_lengths(runs)):
        return None
    base = Measure("loss", "", True, _loss("test")) if what == "loss" else headline(runs)
    if what not in (base.name, "value"):
        return None

    def of(info: RunInfo) -> float | None:
        found = (one for one in info.at_lengths if one.length == int(digits))
        return next(({"loss": one.loss, **one.metrics}.get(base.name) for one in found), None)

    return Measure(f"{base.name}@{digits}", base.unit, base.lower_is_better, of, "test")


def of_parts(name: str, runs: Sequence[Run]) -> Measure | None:
    """``wrong_4``: the metric of the tasks on a part of the test data, or ``wrong_4 - wrong_0``: on two, less one.

    None where ``name`` is no such word, or runs that are done have no such part. ``value_4`` is that of the metric,
    whatever its name.
    """
    base = headline(runs)
    parts = [re.sub("^value(?=_)", base.name, part) for part in name.split(" - ")]
    if len(parts) > 2 or not all(part.startswith(f"{base.name}_") for part in parts):
        return None
    tests = [run.info.test.metrics for run in runs if run.info.test is not None]
    if any(part not in metrics for part in parts for metrics in tests):
        return None

    def of(info: RunInfo) -> float | None:
        if info.test is None:
            return None
        first, *others = (info.test.metrics[part] for part in parts)
        return first - sum(others)

    return Measure(" - ".join(parts), base.unit, base.lower_is_better, of, "test")


def tested_lengths(runs: Sequence[Run]) -> list[int]:
    """The lengths (``eval.lengths``) at which one of the runs was tested."""
    return sorted({found.length for run in runs for found in run.info.at_lengths})


def split_of(runs: Sequence[Run]) -> Split:
    """``test`` where every run that is done was tested on held-out data."""
    return "test" if all(run.info.test is not None for run in runs if run.status == "done") else "evaluation"


OTHERS = (
    Measure("steps_to_solve", "updates", True, _steps_to_solve, censored=True),
    Measure("reach", "lags until 1 % is left", False, reach),
    Measure("gradient_factor", "per lag", False, gradient_factor),
    Measure("ms_per_step", "ms", True, ms_per_step, cost=True),
    Measure("seconds", "s", True, lambda info: info.seconds.total, cost=True),
    Measure("parameters", "", True, lambda info: float(info.parameters), cost=True),
)


def find_measure(name: str | None, runs: Sequence[Run]) -> Measure:
    """The measure of that name; None: the metric of the runs' task (UsageError if there is none)."""
    if name is None:
        return headline(runs)
    if name == "loss":
        return Measure("loss", "", True, _loss(split_of(runs)), split_of(runs))
    for measure in OTHERS:
        if measure.name == name:
            return measure
    if name == runs[0].info.metric.name:
        return headline(runs)
    if (found := at_length(name, runs) or of_parts(name, runs)) is not None:
        return found
    metric = runs[0].info.metric.name
    further = [f"{metric}@{length}" for length in tested_lengths(runs)]
    known = ", ".join([metric, "loss", *further, *(measure.name for measure in OTHERS)])
    raise UsageError(f"--metric {printable(name)}: choose from {printable(known)}")
