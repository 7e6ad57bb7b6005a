"""What is unfair or undecidable about a comparison: each reason is a function that yields the lines to be said."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from seqablate.comparison.arms.claim import ALPHA
from seqablate.comparison.arms.contrasts import Against, crossed
from seqablate.comparison.arms.grouping import Group, Grouping
from seqablate.comparison.measures import Measure
from seqablate.comparison.result import Contrast, Effect
from seqablate.config.flat import flat_config, shown
from seqablate.record.run import Run
from seqablate.text import counted, number

BUDGET = ("steps", "batch_size")
LOOKING = ("eval.every", "stop_when_solved")  # when a run is found to have solved its task, and whether it goes on
MOST_NAMED = 3
UNLIKE = 1.5  # times as many parameters: more than a GRU has beside an LSTM


def notes(
    grouping: Grouping,
    contrasts: Sequence[Against],
    measure: Measure,
    changed: Mapping[Path, str | None],
    requests: Mapping[Path, int],
    stated: Sequence[Contrast],
    effects: Sequence[Effect],
) -> list[str]:
    """Every line.

    Args:
        grouping: the arms.
        contrasts: which arms are compared.
        measure: by what.
        changed: for each run what computed it and is another in a newer run.
        requests: for runs of a sweep the number of the request that planned them.
        stated, effects: the tests.
    """
    runs = [run for group in grouping.groups for run in group.runs]
    lines = [
        *_no_end(grouping),
        *_diverged(grouping.groups, measure),
        *_no_value(runs, measure),
        *_tasks(runs),
        *_untested(runs, measure),
        *_budgets(grouping),
        *_tuning(grouping),
        *_seeds(grouping),
        *_several_factors(contrasts),
        *_few_pairs(stated, effects),
        *_apart(contrasts),
        *_no_baseline(grouping, contrasts),
        *_several_baselines(contrasts),
        *list(_sizes(contrasts))[:MOST_NAMED],
        *_no_effects(grouping, bool(effects)),
        *_same(contrasts),
        *_grown(grouping, requests),
        *_code(runs, changed),
        *_machines(runs),
    ]
    return list(dict.fromkeys(lines))


def _no_end(grouping: Grouping) -> Iterator[str]:
    """Runs that count nowhere."""
    found = Counter(run.status for group in grouping.groups for run in group.others)
    if found:
        states = ", ".join(f"{count} {status}" for status, count in found.items())
        yield f"{counted(found.total(), 'run')} without an end of its own counts nowhere: {states}"
    for group in grouping.groups:
        if not group.units:
            yield f"{group.label}: no run has ended yet"


def _diverged(groups: Sequence[Group], measure: Measure) -> Iterator[str]:
    found = [(group.label, sum(run.status == "diverged" for run in group.runs)) for group in groups]
    told = [f"{count} of {label}" for label, count in found if count]
    if not told:
        return
    if measure.cost:
        yield f"{measure.name} of a run that diverged is of the steps that it made: {_listed(told)}"
    else:
        yield f"diverged runs count as failures, with the worst possible value: {_listed(told)}"


def _no_value(runs: Sequence[Run], measure: Measure) -> Iterator[str]:
    missing = [run.name for run in runs if measure.value(run) is None]
    if missing:
        yield f"no {measure.name} is recorded of {_listed(missing)}: differences with them are not stated"


def _tasks(runs: Sequence[Run]) -> Iterator[str]:
    """Numbers that are not on one scale."""
    tasks = {shown(flat_config(run.config).get("task")) for run in runs}
    metrics = {(run.info.metric.chance, run.info.metric.goal) for run in runs}
    if len(tasks) > 1:
        yield f"the runs are of different tasks ({_listed(sorted(tasks))}): their numbers are not on one scale"
    elif len(metrics) > 1:
        yield "chance or the goal differs between runs: their numbers are not on one scale"


def _untested(runs: Sequence[Run], measure: Measure) -> Iterator[str]:
    untested = [run.name for run in runs if run.status == "done" and run.info.test is None]
    if measure.split == "evaluation" and untested and len(untested) < len(runs):
        yield f"not every run was tested ({_listed(untested)}), so all are compared on evaluation data"


def _budgets(grouping: Grouping) -> Iterator[str]:
    """Arms that were trained for longer, or on more data a step; unless that is what is asked."""
    if grouping.factors and set(grouping.factors) <= set(BUDGET):
        return
    flats = [flat_config(run.config) for group in grouping.groups for run in group.runs]
    for key in (*BUDGET, *LOOKING):
        values = sorted({shown(flat[key]) for flat in flats if key in flat})
        if len(values) > 1:
            yield f"unequal budgets: {key} differs between runs ({_listed(values)})"


def _tuning(grouping: Grouping) -> Iterator[str]:
    """Arms in which other settings are pooled; other ones in another arm are another tuning."""
    keys = [key for key in grouping.pooled if key not in BUDGET]
    if not keys:
        return
    tried = {group.label: {key for unit in group.units for key in unit.runs} for group in grouping.groups}
    names = _listed(keys)
    if len({frozenset(each) for each in tried.values()}) > 1:
        counts = _listed([f"{label} {len(each)}" for label, each in tried.items()])
        yield f"unequal tuning: other settings of {names} in each arm ({counts})"
    yield f"each arm pools all settings of {names}: a seed counts once, with the mean over them, not with the best one"


def _seeds(grouping: Grouping) -> Iterator[str]:
    seeds = [{unit.seed for unit in group.units} for group in grouping.groups]
    shared = set.intersection(*seeds) if seeds else set()
    if any(each != shared for each in seeds):
        counts = _listed([f"{group.label} {len(each)}" for group, each in zip(grouping.groups, seeds, strict=True)])
        yield f"not every arm has the same seeds ({counts}): differences are of the seeds that both arms have"


def _several_factors(contrasts: Sequence[Against]) -> Iterator[str]:
    several = [one for one in contrasts if len(_free(one)) > 1]
    if several:
        one = several[0]
        more = f" (and {len(several) - 1} more)" if several[1:] else ""
        yield (
            f"{one.arm.label} and {one.baseline.label} differ in several settings ({', '.join(_free(one))}){more}: "
            "their difference cannot be put down to one of them"
        )


def _free(one: Against) -> list[str]:
    """The changed keys that both have: what only one variant has comes with the choice of the variant."""
    return [key for key in one.changed if key in one.arm.config and key in one.baseline.config]


def _few_pairs(stated: Sequence[Contrast], effects: Sequence[Effect]) -> Iterator[str]:
    """Where even the clearest result could not be told from chance, after Holm's correction."""
    pairs = max((one.pairs for one in stated), default=0)
    if not pairs:
        return
    found = [test for one in stated for test in (one.solved, one.value)] + [effect.value for effect in effects]
    tests = max(1, sum(test is not None and test.telling > 0 for test in found))
    least = min(1.0, tests * 2 / 2**pairs)
    if least > ALPHA:
        needed = math.ceil(math.log2(2 * tests / ALPHA))
        yield (
            f"too few seeds to decide: the smallest p that {counted(pairs, 'pair')} can give is {number(least)} "
            f"(for {counted(tests, 'test')}); {needed} seeds of each arm are the fewest that can decide"
        )


def _apart(contrasts: Sequence[Against]) -> Iterator[str]:
    """Arms without a seed in common."""
    apart = [one for one in contrasts if not one.pairs and one.arm.units and one.baseline.units]
    if apart:
        words = "only their shares of solved runs are compared" if _has_goal(apart[0]) else "they are not compared"
        yield f"{apart[0].arm.label} and {apart[0].baseline.label} have no seed in common: {words}"


def _has_goal(one: Against) -> bool:
    return one.arm.single and one.baseline.single and all(run.info.metric.goal is not None for run in one.arm.runs)


def _no_baseline(grouping: Grouping, contrasts: Sequence[Against]) -> Iterator[str]:
    """Arms that stand alone, because no baseline is otherwise like them."""
    used = {id(group) for one in contrasts for group in (one.arm, one.baseline)}
    alone = [group.label for group in grouping.groups if id(group) not in used]
    if alone and len(grouping.groups) > 1:
        yield f"not compared, for lack of an arm that differs in the baseline's settings alone: {_listed(alone)}"


def _several_baselines(contrasts: Sequence[Against]) -> Iterator[str]:
    for one in contrasts:
        if one.others:
            others = _listed([group.label for group in one.others])
            yield f"{one.arm.label} is compared with {one.baseline.label}; {others} would fit as a baseline as well"


def _sizes(contrasts: Sequence[Against]) -> Iterator[str]:
    """Models of very different sizes, where the size is not what is asked."""
    for one in contrasts:
        sizes = [{run.info.parameters for run in group.runs} for group in (one.arm, one.baseline)]
        if all(sizes) and not any("size" in key or "depth" in key or "layers" in key for key in one.changed):
            small, large = sorted((max(sizes[0]), max(sizes[1])))
            if large >= UNLIKE * small:
                yield (
                    f"{one.arm.label} and {one.baseline.label} have different numbers of parameters "
                    f"({max(sizes[0])}, {max(sizes[1])}): model.match_params makes them about equal"
                )


def _no_effects(grouping: Grouping, effects: bool) -> Iterator[str]:
    if not effects and crossed(grouping):
        yield "effects of the two factors are not stated: they need finite numbers of seeds that all arms have"


def _same(contrasts: Sequence[Against]) -> Iterator[str]:
    """Arms that did exactly what their control did."""
    same = [one for one in contrasts if one.pairs and _equal(one)]
    for one in same[:MOST_NAMED]:
        why = " and ".join(_inert(one))
        yield f"{one.arm.label} has the same results as {one.baseline.label} in every run{why and f': {why}'}"
    if same[MOST_NAMED:]:
        yield f"{len(same) - MOST_NAMED} more arms have the same results as their baseline in every run"


def _inert(one: Against) -> Iterator[str]:
    """What was changed and never acted."""
    groups = {key.partition(".")[0] for key in one.changed}
    infos = [run.info for run in one.arm.runs]
    if "clip" in groups and not any(info.clipped_share for info in infos):
        yield "clipping never acted"
    if "regularizer" in groups and not any(info.regularized_share for info in infos):
        yield "the regularizer never acted"


def _equal(one: Against) -> bool:
    """Whether both have the same seeds, and each the same results."""
    sides = [{unit.seed: _results(unit.run) for unit in group.units} for group in (one.arm, one.baseline)]
    return one.arm.single and one.baseline.single and sides[0] == sides[1]


def _results(run: Run) -> tuple[Any, ...]:
    info = run.info
    return (info.status, info.step, info.final, info.test, info.solved_at, info.lost_at)


def _grown(grouping: Grouping, requests: Mapping[Path, int]) -> Iterator[str]:
    """Seeds that were asked for after others of the same arm had their results."""
    grown = []
    for group in grouping.groups:
        by_request: dict[int, list[Run]] = {}
        for unit in group.units:
            for run in unit.runs.values():
                by_request.setdefault(requests.get(run.path, 0), []).append(run)
        parts = [by_request[number] for number in sorted(by_request)]
        for earlier, later in pairwise(parts):
            ended = [run.info.ended for run in earlier if run.info.ended]
            if ended and min(ended) < min(run.info.started for run in later):
                grown.append(f"{group.label}: {len(earlier)}, then {len(later)} more")
                break
    if grown:
        yield (
            f"runs were added after results were there ({_listed(grown)}): whoever looks before adding finds "
            "differences too often, and p does not allow for that"
        )


def _code(runs: Sequence[Run], changed: Mapping[Path, str | None]) -> Iterator[str]:
    stale = [changed[run.path] for run in runs if changed[run.path]]
    if stale:
        count = counted(len(stale), "run")
        yield f"stale: {count} of other code than the newest run ({stale[0]}); train them again to be sure"


def _machines(runs: Sequence[Run]) -> Iterator[str]:
    """Times of different devices, backends or numbers of threads are not compared."""
    found = {
        f"{run.info.device.partition(':')[0]}, {counted(run.info.threads, 'thread')}, backend {run.info.backend}"
        for run in runs
    }
    devices = {(run.info.device.partition(":")[0], run.info.threads) for run in runs}
    recurrent = {run.info.backend for run in runs} & {"compiled", "torch", "loop"}
    if len(devices) > 1 or len(recurrent) > 1:
        yield f"the runs were computed in different ways ({_listed(sorted(found))}): their times are not comparable"


def _listed(words: Sequence[str]) -> str:
    """The first few of them."""
    more = f" and {len(words) - MOST_NAMED} more" if len(words) > MOST_NAMED else ""
    return ", ".join(words[:MOST_NAMED]) + more
