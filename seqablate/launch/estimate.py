"""``--dry-run``: what a sweep would do and how long it would take, from a short run of each arm. Nothing is written."""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table
from rich.text import Text

from seqablate.comparison.settings import headings
from seqablate.config.compose import compose_config
from seqablate.errors import printable, shorten
from seqablate.launch.base import still_to_do
from seqablate.launch.command import Asked, check_runs, foresee, resume_options, standing_line
from seqablate.launch.local import cores
from seqablate.launch.nursery import in_workers
from seqablate.launch.trial import Costs, try_arms
from seqablate.report.console import run_console
from seqablate.report.lines import say
from seqablate.sweep.folder import open_sweep
from seqablate.sweep.options import SweepOptions
from seqablate.sweep.standing import RunStanding
from seqablate.text import counted, duration

Words = tuple[str, ...]


@dataclass(frozen=True)
class Estimate:
    """How long each missing run of a sweep will take.

    Attributes:
        missing: the runs, in the order in which they are begun.
        arms: the number of the arm that each run belongs to; runs of one arm differ in the seed only.
        costs: of each arm.
        seconds: of each run.
        before: seconds until the first run begins.
    """

    missing: list[RunStanding]
    arms: list[int]
    costs: list[Costs]
    seconds: list[float]
    before: float

    def in_all(self, workers: int) -> float:
        """Seconds of the sweep."""
        return self.before + makespan(self.seconds, workers)

    @property
    def may_stop(self) -> bool:
        """Whether runs may end early."""
        return any(costs.may_stop for costs in self.costs)


def makespan(seconds: Sequence[float], workers: int) -> float:
    """When the last of some runs is over, if each is begun in order by the first worker that is free."""
    free = [0.0] * workers
    for each in seconds:
        heapq.heapreplace(free, free[0] + each)
    return max(free)


def foretell(words: list[str]) -> int:
    """Print what ``seqablate train -m`` would do with these words, and how long it would take."""
    begun = time.perf_counter()
    asked = Asked(words)
    ahead = foresee(asked)
    left = check_runs(ahead.existing, ahead.runs, asked.options, touch=False).left
    name = "a new folder" if asked.path is None else str(asked.path)
    beside = len({*(run.name for run in ahead.runs), *(ahead.existing.plan.runs if ahead.existing else ())})
    return _foretell(name, len(ahead.runs), beside, left, asked.options, begun)


def foretell_resumed(path: Path, words: list[str]) -> int:
    """The same of ``seqablate resume SWEEP``."""
    begun = time.perf_counter()
    options = resume_options(words)
    folder = open_sweep(path)
    left = check_runs(folder, folder.runs, options, touch=False).left
    return _foretell(str(path), len(folder.runs), len(folder.runs), left, options, begun)


def _foretell(
    name: str, count: int, beside: int, left: Sequence[RunStanding], options: SweepOptions, begun: float
) -> int:
    missing = still_to_do(left, options)
    say(standing_line(count, name, len(missing), beside=beside))
    if not missing:
        return 0
    here = cores([one.run for one in missing])
    workers = min(len(missing), options.workers or here)
    say(f"timing {counted(len({arm_of(one.run.words) for one in missing}), 'arm')}, a few seconds each")
    estimate = measure(missing, min(workers, here), begun)
    run_console().print(arm_table(estimate))
    less = ", or less: runs stop when their task is solved" if estimate.may_stop else ""
    say(f"about {duration(estimate.in_all(workers))} with {counted(workers, 'worker')}{less} (nothing was written)")
    return 0


def measure(missing: Sequence[RunStanding], workers: int, begun: float) -> Estimate:
    """Carry out a short run of each arm; as many at once as there will be workers, which slow each other down.

    Args:
        missing: the runs that are to be done, at least one.
        workers: how many processes.
        begun: when the command began, by ``time.perf_counter``.

    Raises:
        UsageError: a trial could not be carried out.
    """
    numbers: dict[Words, int] = {}
    arms = [numbers.setdefault(arm_of(one.run.words), len(numbers)) for one in missing]
    tried = [missing[arms.index(number)].run.words for number in range(len(numbers))]
    before = time.perf_counter() - begun
    costs = _try(tried, workers)
    seconds = [
        costs[arm].of_run(compose_config(one.run.words), 0 if one.info is None else one.info.step)
        for one, arm in zip(missing, arms, strict=True)
    ]
    return Estimate(list(missing), arms, costs, seconds, before)


def arm_of(words: Sequence[str]) -> Words:
    """What the runs of one arm have in common."""
    return tuple(word for word in words if not word.startswith("seed="))


def _try(arms: Sequence[list[str]], workers: int) -> list[Costs]:
    """The costs of each arm. Where there are fewer arms than workers, some are tried twice, to keep all busy."""
    trials = [number % len(arms) for number in range(max(len(arms), workers))]
    shares = [trials[first::workers] for first in range(workers)]
    answers = in_workers(try_arms, [([arms[number] for number in share],) for share in shares])
    found: dict[int, list[Costs]] = {}
    for share, costs in zip(shares, answers, strict=True):
        for number, cost in zip(share, costs, strict=True):
            found.setdefault(number, []).append(cost)
    return [mean(found[number]) for number in range(len(arms))]


def mean(costs: Sequence[Costs]) -> Costs:
    """The mean of several trials of one arm."""
    count = len(costs)
    return Costs(
        sum(cost.step for cost in costs) / count,
        sum(cost.evaluation for cost in costs) / count,
        sum(cost.checkpoint for cost in costs) / count,
        sum(cost.rest for cost in costs) / count,
        any(cost.may_stop for cost in costs),
    )


def arm_table(estimate: Estimate) -> Table:
    """A row for each arm: its settings, seeds, runs to do, the time of a step and of a run."""
    runs = [[i for i, arm in enumerate(estimate.arms) if arm == number] for number in range(len(estimate.costs))]
    settings = [dict(estimate.missing[mine[0]].run.arm) for mine in runs]
    keys = list(dict.fromkeys(key for swept in settings for key in swept))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in headings(keys).values() if keys else ["arm"]:
        table.add_column(Text(printable(heading)), no_wrap=True, overflow="ellipsis")
    table.add_column("seeds", no_wrap=True)
    for title in ("to do", "a step", "a run"):
        table.add_column(title, justify="right", no_wrap=True)
    for mine, swept, costs in zip(runs, settings, estimate.costs, strict=True):
        seeds = [estimate.missing[i].run.words for i in mine]
        longest = max(estimate.seconds[i] for i in mine)
        table.add_row(*_cells(swept, keys), _seeds(seeds), str(len(mine)), _short(costs.step), duration(longest))
    return table


def _cells(swept: Mapping[str, str], keys: Sequence[str]) -> Iterator[Text]:
    yield from (Text(printable(swept.get(key, "–"))) for key in keys)
    if not keys:
        yield Text("all runs")


def _seeds(runs: Sequence[Sequence[str]]) -> Text:
    """The seeds of an arm: ``0 to 9``, or each; that of the configuration where none is given."""
    seeds = [word.partition("=")[2] for words in runs for word in words if word.startswith("seed=")]
    if len(seeds) > 2 and seeds == _range_from(seeds[0], len(seeds)):
        return Text(f"{seeds[0]} to {seeds[-1]}")
    return Text(shorten(", ".join(seeds), 30) if seeds else "–")


def _range_from(first: str, count: int) -> list[str]:
    return [str(int(first) + i) for i in range(count)] if first.isdecimal() else []


def _short(seconds: float) -> str:
    """``2.1 ms``; a dash for nothing."""
    if not seconds:
        return "–"
    return f"{1000 * seconds:.3g} ms" if seconds < 1 else duration(seconds)
