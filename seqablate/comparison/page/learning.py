"""Learning curves: a metric over training, the median over each arm's seeds with its band, and every seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from seqablate.comparison.learning import learning
from seqablate.comparison.page.numbers import Plain, plain, rounded
from seqablate.comparison.page.reading import Story

Arms = Sequence[Sequence[Story]]


def learning_charts(arms: Arms, level: float, *, each_seed: bool) -> list[dict[str, Any]]:
    """A chart for the task's metric and one for the loss.

    What of a run counts is said in :func:`seqablate.comparison.learning.learning`.

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
    found = learning(stories, name, worst, level)
    if found is None:
        return None
    return {
        "x": found.steps_K.tolist(),
        "median": rounded(found.pool.median_K),
        "low": rounded(found.pool.low_K),
        "high": rounded(found.pool.high_K),
        "n": found.pool.n_K.tolist(),
        "diverged": [end for story in stories for end in _end_of(story, name)],
        "seeds": [rounded(own_K) for own_K in found.own_RK] if each_seed and len(stories) > 1 else [],
    }


def _end_of(story: Story, name: str) -> list[tuple[int, Plain]]:
    """Of a run that diverged: its last finite value, behind its step."""
    values = ((step, found[name]) for step, found in sorted(story.evals.items()) if name in found)
    finite = [(step, plain(value)) for step, value in values if math.isfinite(value)]
    return finite[-1:] if story.run.info.diverged_at is not None else []
