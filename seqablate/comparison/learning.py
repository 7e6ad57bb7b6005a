"""Learning curves of an arm: each run's metric over training, and the median over runs with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from seqablate.comparison.course import Evals
from seqablate.comparison.pool import Pooled, pool
from seqablate.record.run import Run

MOST_POINTS = 200  # of a curve


class Evaluated(Protocol):
    """A run, and the results of its evaluations."""

    @property
    def run(self) -> Run: ...

    @property
    def evals(self) -> Evals: ...


@dataclass(frozen=True, slots=True)
class Learning:
    """A metric of R runs at K training steps.

    Attributes:
        steps_K: at which one of the runs was evaluated, or diverged.
        own_RK: each run's last value, up to its last evaluation; NaN elsewhere.
        pool: what counts of them, pooled.
    """

    steps_K: np.ndarray
    own_RK: np.ndarray
    pool: Pooled


def learning(runs: Sequence[Evaluated], name: str, worst: float, level: float) -> Learning | None:
    """Pool the learning curves of an arm; None where the metric was never evaluated.

    A run that diverged counts as the worst possible number from then on. A run that is done, such as one that stopped
    because its task was solved, keeps its last value. Any other run counts until its last evaluation.

    Args:
        runs: of the arm.
        name: of the metric, or ``loss``.
        worst: the worst possible number, which NaN counts as, too.
        level: of the interval.
    """
    seen = [_values(one, name, worst) for one in runs]
    ends = {at for one in runs if (at := one.run.info.diverged_at) is not None}
    if not any(seen):
        return None
    steps_K = thinned(sorted(ends.union(*seen)), MOST_POINTS)
    held_RK = np.array([_held(values, steps_K) for values in seen])
    last_R1 = np.array([[max(values, default=-1)] for values in seen])
    own_RK = np.where(steps_K <= last_R1, held_RK, np.nan)
    counted = [_counted(*each, steps_K, worst) for each in zip(runs, held_RK, own_RK, strict=True)]
    return Learning(steps_K, own_RK, pool(np.array(counted), level))


def _values(one: Evaluated, name: str, worst: float) -> dict[int, float]:
    """The metric by training step."""
    found = {step: metrics[name] for step, metrics in sorted(one.evals.items()) if name in metrics}
    return {step: worst if math.isnan(value) else value for step, value in found.items()}


def _held(values: dict[int, float], steps_K: np.ndarray) -> np.ndarray:
    """A run's last value at each of the steps, NaN before its first evaluation."""
    found = np.array([np.nan, *values.values()])
    held: np.ndarray = found[np.searchsorted(list(values), steps_K, side="right")] if values else found[0 * steps_K]
    return held


def _counted(one: Evaluated, held_K: np.ndarray, own_K: np.ndarray, steps_K: np.ndarray, worst: float) -> np.ndarray:
    """What of a run counts in the median."""
    if (end := one.run.info.diverged_at) is not None:
        return np.where(steps_K < end, held_K, worst)
    return held_K if one.run.status == "done" else own_K


def thinned(steps: Sequence[int], most: int) -> np.ndarray:
    """At most so many of the steps, evenly chosen, with the first and the last."""
    chosen = np.linspace(0, len(steps) - 1, min(most, len(steps))).round().astype(int)
    return np.array([steps[position] for position in sorted(set(chosen.tolist()))])
