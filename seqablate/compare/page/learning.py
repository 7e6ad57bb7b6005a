"""Learning curves: a metric over training, the median over each arm's seeds with its band, and every seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from seqablate.compare.page.numbers import Plain, plain, rounded
from seqablate.compare.page.pool import band
from seqablate.compare.page.reading import MOST_POINTS, Story

Arms = Sequence[Sequence[Story]]


def learning_charts(arms: Arms, level: float, *, each_seed: bool) -> list[dict[str, Any]]:
    """A chart for the task's metric and one for the loss.

    A run that diverged counts as the worst possible number from then on. A run that is done, such as one that stopped
    because its task was solved, keeps its last value. Any other run that has ended counts no longer.

    Args:
        arms: the runs of each.
        level: of the bands.
        each_seed: give every run its own curve as well.
    """
    metrics = [story.run.info.metric for stories in arms for story in stories]
    if not metrics:
        return []
    first = metrics[0]
    agreed = {key: getattr(first, key) for key in ("goal", "chance") if len({getattr(m, key) for m in metrics}) == 1}
    charts = [
        {"name": first.name, "unit": first.unit, "goal": None, "chance": None, **agreed},
        {"name": "loss", "unit": "", "goal": None, "chance": None},
    ]
    worst = {"loss": math.inf, first.name: math.inf if first.lower_is_better else -math.inf}
    return [
        chart | {"arms": found}
        for chart in charts[first.name == "loss" :]
        if any(found := [_arm(stories, chart["name"], worst[chart["name"]], level, each_seed) for stories in arms])
    ]


def _arm(stories: Sequence[Story], name: str, worst: float, level: float, each_seed: bool) -> dict[str, Any] | None:
    """One arm's curves; None where the metric was never evaluated."""
    seen = [{step: values[name] for step, values in story.evals.items() if name in values} for story in stories]
    ends = [story.diverged_at for story in stories]
    steps = sorted({step for values in seen for step in values} | {end for end in ends if end is not None})
    if not any(seen):
        return None
    steps_K = thinned(steps, MOST_POINTS)
    held_RK = np.array([_held(values, steps_K) for values in seen])
    own_RK = np.array(
        [np.where(steps_K <= max(v, default=-1), held, np.nan) for v, held in zip(seen, held_RK, strict=True)]
    )
    counted = [_counted(*each, steps_K, worst) for each in zip(stories, held_RK, own_RK, strict=True)]
    pooled = band(np.array(counted), level)
    return {
        "x": steps_K.tolist(),
        "median": rounded(pooled.median_K),
        "low": rounded(pooled.low_K),
        "high": rounded(pooled.high_K),
        "n": pooled.n_K.tolist(),
        "diverged": [end for each in zip(stories, seen, strict=True) for end in _end_of(*each)],
        "seeds": [rounded(own_K) for own_K in own_RK] if each_seed and len(stories) > 1 else [],
    }


def _held(values: dict[int, float], steps_K: np.ndarray) -> np.ndarray:
    """A run's last value at each of the steps, NaN before its first evaluation; a value that is NaN becomes inf."""
    if not values:
        return np.full(len(steps_K), np.nan)
    known = sorted(values)
    found = np.array(
        [np.nan, *(np.nan_to_num(values[step], nan=np.inf, posinf=np.inf, neginf=-np.inf) for step in known)]
    )
    return found[np.searchsorted(known, steps_K, side="right")]


def _counted(story: Story, held_K: np.ndarray, own_K: np.ndarray, steps_K: np.ndarray, worst: float) -> np.ndarray:
    """What of a run counts in the median: see :func:`learning_charts`."""
    if story.diverged_at is not None:
        return np.where(steps_K < story.diverged_at, held_K, worst)
    return held_K if story.run.status == "done" else own_K


def _end_of(story: Story, values: dict[int, float]) -> list[tuple[int, Plain]]:
    """Of a run that diverged: its last finite value, behind its step."""
    finite = [(step, plain(value)) for step, value in sorted(values.items()) if math.isfinite(value)]
    return finite[-1:] if story.diverged_at is not None else []


def thinned(steps: Sequence[int], most: int) -> np.ndarray:
    """At most so many of the steps, evenly chosen, with the first and the last."""
    chosen = np.linspace(0, len(steps) - 1, min(most, len(steps))).round().astype(int)
    return np.array([steps[position] for position in sorted(set(chosen.tolist()))])
