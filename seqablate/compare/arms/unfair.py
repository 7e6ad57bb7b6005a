"""What is unfair or undecidable about a comparison: each reason is a function that yields the lines to be said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from seqablate.compare.arms.contrasts import Against
from seqablate.compare.arms.grouping import Group, Grouping
from seqablate.compare.measures import Measure
from seqablate.config.flat import flat_config, shown
from seqablate.record.run import Run
from seqablate.text import counted, number

FEWEST_PAIRS = 6  # 5 pairs cannot give a two-sided p below 0.05: 2 / 2^5 = 0.0625
BUDGET = ("steps", "batch_size")
MOST_NAMED = 3


def notes(
    grouping: Grouping,
    contrasts: Sequence[Against],
    measure: Measure,
    changed: Mapping[Path, str | None],
    requests: Mapping[Path, int],
) -> list[str]:
    """Every line.

    Args:
        grouping: the arms.
        contrasts: which arms are compared.
        measure: by what.
        changed: for each run what computed it and is another in a newer run.
        requests: for runs of a sweep the number of the request that planned them.
    """
    runs = [unit.run for group in grouping.groups for unit in group.units]
    lines = [
        *_no_end(grouping),
        *_diverged(grouping.groups),
        *_no_value(grouping.groups, measure),
        *_budgets(grouping),
        *_tuning(grouping),
        *_seeds(grouping),
        *_several_factors(contrasts),
        *_few_pairs(contrasts),
        *_same(contrasts, measure),
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
        yield f"{counted(found.total(), 'run')} did not end by themselves ({states}) and count nowhere"
    for group in grouping.groups:
        if not group.units:
            yield f"{group.label}: no run has ended yet"


def _diverged(groups: Sequence[Group]) -> Iterator[str]:
    found = [(group.label, sum(unit.run.status == "diverged" for unit in group.units)) for group in groups]
    told = [f"{count} of {label}" for label, count in found if count]
    if told:
        yield f"diverged runs count as failures, with the worst possible value: {_listed(told)}"


def _no_value(groups: Sequence[Group], measure: Measure) -> Iterator[str]:
    missing = [unit.run.name for group in groups for unit in group.units if measure.value(unit.run) is None]
    if missing:
        yield f"no {measure.name} is recorded of {_listed(missing)}: differences with them are not stated"


def _budgets(grouping: Grouping) -> Iterator[str]:
    """Arms that were trained for longer, or on more data a step; unless that is what is asked."""
    if set(grouping.factors) <= set(BUDGET):
        return
    for key in (key for key in BUDGET if key in [*grouping.factors, *grouping.pooled]):
        values = sorted({flat_config(unit.run.config)[key] for group in grouping.groups for unit in group.units})
        yield f"unequal budgets: {key} differs between runs ({_listed([shown(value) for value in values])})"


def _tuning(grouping: Grouping) -> Iterator[str]:
    """Arms in which other settings are pooled; more of them in one arm is more tuning."""
    keys = [key for key in grouping.pooled if key not in BUDGET]
    if not keys:
        return
    tried = {group.label: len({unit.key[1:] for unit in group.units}) for group in grouping.groups}
    names = _listed(keys)
    if len(set(tried.values())) > 1:
        counts = _listed([f"{label} {count}" for label, count in tried.items()])
        yield f"unequal tuning: settings of {names} tried in each arm: {counts}"
    yield f"each arm pools all settings of {names}: its numbers are of all of them, not of the best one"


def _seeds(grouping: Grouping) -> Iterator[str]:
    keys = [{unit.key for unit in group.units} for group in grouping.groups]
    shared = set.intersection(*keys) if keys else set()
    if any(each != shared for each in keys):
        counts = _listed([f"{group.label} {len(each)}" for group, each in zip(grouping.groups, keys, strict=True)])
        yield f"not every arm has the same seeds (runs: {counts}): differences are of the seeds that both arms have"


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


def _few_pairs(contrasts: Sequence[Against]) -> Iterator[str]:
    few = [len(one.pairs) for one in contrasts if 0 < len(one.pairs) < FEWEST_PAIRS]
    if few:
        least = 2 / 2 ** max(few)
        yield (
            f"too few pairs to decide: {counted(max(few), 'pair')} cannot give a p below {number(least)}; "
            f"train {FEWEST_PAIRS} seeds or more of each arm"
        )
    if any(not one.pairs for one in contrasts):
        yield "some arms have no seed in common: only their shares of solved runs are compared, as independent samples"


def _same(contrasts: Sequence[Against], measure: Measure) -> Iterator[str]:
    """Arms that did exactly what their control did."""
    same = [one for one in contrasts if one.pairs and all(_equal(arm, base, measure) for arm, base in one.pairs)]
    for one in same[:MOST_NAMED]:
        inert = "clip" in {key.partition(".")[0] for key in one.changed} and all(
            not (run.info.clipped_share or 0.0) for run, _ in one.pairs
        )
        why = ": clipping never acted" if inert else ""
        yield f"{one.arm.label} equals {one.baseline.label} in every number{why}"
    if same[MOST_NAMED:]:
        yield f"{len(same) - MOST_NAMED} more arms equal their baseline in every number"


def _equal(arm: Run, base: Run, measure: Measure) -> bool:
    return (arm.info.final, arm.info.step, measure.value(arm)) == (base.info.final, base.info.step, measure.value(base))


def _grown(grouping: Grouping, requests: Mapping[Path, int]) -> Iterator[str]:
    """Seeds that were asked for after others of the same arm had their results."""
    for group in grouping.groups:
        by_request: dict[int, list[Run]] = {}
        for unit in group.units:
            by_request.setdefault(requests.get(unit.run.path, 0), []).append(unit.run)
        parts = [by_request[number] for number in sorted(by_request)]
        for earlier, later in pairwise(parts):
            ended = [run.info.ended for run in earlier if run.info.ended]
            if ended and min(ended) < min(run.info.started for run in later):
                yield (
                    f"seeds were added after results were there ({group.label}: {len(earlier)}, then {len(later)}"
                    " more): whoever looks before adding finds differences too often, and p does not allow for that"
                )
                return


def _code(runs: Sequence[Run], changed: Mapping[Path, str | None]) -> Iterator[str]:
    stale = [changed[run.path] for run in runs if changed[run.path]]
    if stale:
        count = counted(len(stale), "run")
        yield f"stale: {count} of other code than the newest run ({stale[0]}); train them again to be sure"


def _machines(runs: Sequence[Run]) -> Iterator[str]:
    """Times of different devices or numbers of threads are not compared."""
    found = {(run.info.device.partition(":")[0], run.info.threads, run.info.backend) for run in runs}
    kinds = {(device, threads) for device, threads, _ in found}
    if len(kinds) > 1:
        told = _listed([f"{device} with {counted(threads, 'thread')}" for device, threads in sorted(kinds)])
        yield f"the runs used {told}: their times are not comparable"


def _listed(words: Sequence[str]) -> str:
    """The first few of them."""
    more = f" and {len(words) - MOST_NAMED} more" if len(words) > MOST_NAMED else ""
    return ", ".join(words[:MOST_NAMED]) + more
