"""Search that learns from results: Optuna proposes the next points of each arm from the runs that are there.

Nothing is stored beside the runs. A study is made anew from the points of an arm and their results, so a sweep goes on
after a restart as it would have gone on without one. The runs of an arm that differ in nothing but the seed are one
trial, whose cost is the mean of theirs.

Source: Bergstra et al. 2011 (tree-structured Parzen estimator), as Optuna has it. Imports no torch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from statistics import fmean
from typing import TYPE_CHECKING

from seqablate.streams import stream_seed
from seqablate.sweep.options import Sampler, SweepOptions
from seqablate.sweep.plan import run_words
from seqablate.sweep.search import STARTUP, Distribution, Point, different_points, place, read_search
from seqablate.sweep.standing import RunStanding

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

MOST_ASKED = 20  # proposals in a row that are there already, before a point is drawn instead
Costs = Mapping[frozenset[str], float | None]  # words of a run -> its cost


@dataclass(frozen=True, slots=True)
class Trial:
    """A point of an arm, and its cost: the lower, the better; None while there is none."""

    point: Point
    cost: float | None


def tuned(words: Sequence[str], options: SweepOptions, costs: Costs, more: int) -> list[list[str]]:
    """The words of the runs of a sweep whose arms are tuned: those of the points that are there, and of new ones.

    Args:
        words: of the sweep, some with distributions.
        options: of the sweep.
        costs: of the runs in the plan (:func:`costs_of`).
        more: new points for each arm. No arm gets more than ``sweep.samples`` points in all.

    Raises:
        UsageError: as :func:`seqablate.sweep.search.expand`.
    """
    runs, space = read_search(words, options)
    found: list[list[str]] = []
    for arm in _arms(runs):
        trials = _trials(arm, space, costs)
        wanted = (options.sweep.samples or 0) - len(trials)
        points = [trial.point for trial in trials]
        if wanted > 0:
            points += propose(space, trials, min(more, wanted), options)
        found += [place(point, space, run) for point in points for run in arm]
    return found


def costs_of(standings: Iterable[RunStanding]) -> Costs:
    """The cost of every run: its headline metric, negated where higher is better; infinite if it failed or diverged."""
    return {frozenset(each.run.words): _cost(each) for each in standings}


def _cost(of: RunStanding) -> float | None:
    if of.standing in ("diverged", "failed"):
        return math.inf
    if of.standing != "done" or of.info is None or (value := of.info.final_value) is None:
        return None
    cost = value if of.info.metric.lower_is_better else -value
    return math.inf if math.isnan(cost) else cost


def _arms(runs: Sequence[list[str]]) -> list[list[list[str]]]:
    """The runs of each arm: they differ in nothing but the seed."""
    arms: dict[frozenset[str], list[list[str]]] = {}
    for run in runs:
        arms.setdefault(frozenset(word for word in run if not word.startswith("seed=")), []).append(run)
    return list(arms.values())


def _trials(arm: Sequence[list[str]], space: Sequence[Distribution], costs: Costs) -> list[Trial]:
    """The points at which an arm has runs, in the order of the plan."""
    markers = {each.marker for each in space}
    seeds = [frozenset(run_words(run)) - markers for run in arm]
    by_point: dict[Point, list[float | None]] = {}
    for words, cost in costs.items():
        point = _point_of(words, space)
        if point is not None and words - set(point) in seeds:
            by_point.setdefault(point, []).append(cost)
    return [Trial(point, _mean(of, len(seeds))) for point, of in by_point.items()]


def _point_of(words: frozenset[str], space: Sequence[Distribution]) -> Point | None:
    """The words for the keys of a space, None where a run lacks one."""
    given = {word.partition("=")[0]: word for word in words}
    return tuple(given[each.key] for each in space) if all(each.key in given for each in space) else None


def _mean(costs: Sequence[float | None], runs: int) -> float | None:
    """Of all runs of an arm at one point; None until each has a cost."""
    known = [cost for cost in costs if cost is not None]
    return fmean(known) if len(known) == runs else None


def propose(space: Sequence[Distribution], trials: Sequence[Trial], count: int, options: SweepOptions) -> list[Point]:
    """New points of an arm. They depend on the trials, the number of points and the seed of the sweep alone.

    Raises:
        UsageError: the space has not as many points as the sweep is to have.
    """
    samples, seed = options.sweep.samples or 0, options.sweep.sample_seed
    pool = different_points(space, samples, Sampler.sobol, seed)
    points = {trial.point: None for trial in trials}
    new = [point for point in pool[:STARTUP] if point not in points][:count]
    points |= dict.fromkeys(new)
    proposals = _proposals(space, [*trials, *(Trial(point, None) for point in new)], seed)
    while len(new) < count:
        candidates = chain(islice(proposals, MOST_ASKED), pool)
        point = next(point for point in candidates if point not in points)
        points[point] = None
        new.append(point)
    return new


def _proposals(space: Sequence[Distribution], trials: Sequence[Trial], seed: int) -> Iterator[Point]:
    """What Optuna proposes after these trials, without end. It may propose what is there already."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it would name every study and trial
    kinds = {each.key: _kind(each) for each in space}
    bits = stream_seed(seed, "search", len(trials)) >> 31  # 32 of 63, which is what it takes
    sampler = optuna.samplers.TPESampler(seed=bits)
    study = optuna.create_study(sampler=sampler, direction="minimize")
    for trial in trials:
        study.add_trial(_told(trial, kinds))
    while True:
        params = study.ask(kinds).params
        yield tuple(each.written(params[each.key]) for each in space)


def _kind(of: Distribution) -> BaseDistribution:
    from optuna.distributions import FloatDistribution, IntDistribution

    if of.kind == "randint":
        return IntDistribution(int(of.low), int(of.high))
    return FloatDistribution(of.low, of.high, log=of.kind == "loguniform")


def _told(trial: Trial, kinds: Mapping[str, BaseDistribution]) -> FrozenTrial:
    """A trial as Optuna knows it; one without a cost is running, and taken for a bad one until it has ended."""
    from optuna.trial import TrialState, create_trial

    return create_trial(
        state=TrialState.RUNNING if trial.cost is None else TrialState.COMPLETE,
        value=trial.cost,
        params={key: float(word.partition("=")[2]) for key, word in zip(kinds, trial.point, strict=True)},
        distributions=dict(kinds),
    )
