"""A sweep from its words or its folder to its end: what is missing is planned, checked, trained and reported."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from seqablate.config.overrides import split_launcher
from seqablate.config.schema import TrainConfig
from seqablate.errors import UsageError, printable
from seqablate.launch.base import Launcher, Sweep
from seqablate.launch.ending import report_sweep
from seqablate.launch.everything import load_everything
from seqablate.launch.hydra import HydraLaunch, make_launcher
from seqablate.launch.nursery import in_a_worker, warm_up
from seqablate.launch.screen import SweepScreen
from seqablate.launch.stale import find_stale, put_aside
from seqablate.launch.work import NO_MEMORY, work_on
from seqablate.record.folder import create_folder, ensure_folder
from seqablate.record.schema import FINISHED
from seqablate.report.lines import complain, say
from seqablate.sweep.folder import Plan, PlannedRun, Request, SweepFolder, is_sweep, make_sweep, open_sweep
from seqablate.sweep.options import Sampler, SweepOptions, split_options
from seqablate.sweep.plan import (
    Wanted,
    add_runs,
    check_means,
    compose_runs,
    composer,
    demand,
    first_config,
    run_words,
)
from seqablate.sweep.search import expand
from seqablate.sweep.standing import RunStanding, standings
from seqablate.text import counted


class Asked:
    """A sweep as somebody asked for it with words; nothing is written before :func:`begin_sweep`.

    Args:
        words: those of all runs, and those about the sweep as a whole.
        runs: what each run has beside them, where the runs are no combinations of values; None: every combination.
    """

    def __init__(self, words: list[str], runs: Sequence[list[str]] | None = None) -> None:
        launcher, words = split_launcher(words)
        self.options, typed = split_options(words)
        self.arms = expand(typed, self.options) if runs is None else [[*typed, *more] for more in runs]
        self.typed = typed
        self.config: TrainConfig = first_config(self.arms)
        if launcher:  # Hydra composes a config for it, from what has been composed once
            self.options.launch = HydraLaunch(make_launcher(launcher))
        self.request = [*run_words(typed), *self.options.sampling, *(" ".join(more) for more in runs or ())]
        self.skipped: list[str] = []

    @property
    def tuned(self) -> bool:
        """Whether results decide which runs there are: the words alone do not."""
        return self.options.sweep.samples is not None and self.options.sweep.sampler is Sampler.optuna

    @property
    def path(self) -> Path | None:
        """The folder of the sweep; None if it is to have a name of its own."""
        return None if self.config.name is None else Path(self.config.output_dir) / self.config.name

    def compose(self) -> list[Wanted]:
        """Every run (UsageError for one that is impossible, unless these are to be skipped)."""
        wanted = compose_runs(self.arms, self.typed, self.skipped if self.options.sweep.skip_invalid else None)
        for line in self.skipped:
            complain(f"skipped: {line}")
        return wanted


@dataclass(frozen=True)
class Prospect:
    """What a command is about to do; nothing is written yet.

    Attributes:
        existing: the sweep, if it is there already.
        runs: all that are asked for, in order.
        wanted: what they compose to; None if the plan has this very request, so that nothing was composed.
    """

    existing: SweepFolder | None
    runs: list[PlannedRun]
    wanted: list[Wanted] | None = None


def foresee(asked: Asked) -> Prospect:
    """Compose what the words ask for (UsageError for a run that is impossible)."""
    existing = open_sweep(asked.path) if asked.path is not None and is_sweep(asked.path) else None
    known = existing.plan.find_request(asked.request, composer()) if existing and not asked.tuned else None
    if existing and known:
        return Prospect(existing, existing.plan.runs_of(known.runs))
    warm_up()  # while the runs are composed
    wanted = asked.compose()
    plan = existing.plan if existing else Plan()
    new, names = add_runs(plan, wanted)
    both = plan.runs | {run.name: run for run in new}
    return Prospect(existing, [both[name] for name in names], wanted)


def begin_sweep(asked: Asked) -> Sweep:
    """Plan what the words ask for, in the folder of the sweep, which may have some of it already.

    Raises:
        UsageError: a run that is impossible, stale runs that are not to be kept, a name that is taken by another thing.
    """
    ahead = foresee(asked)
    check = check_runs(ahead.existing, ahead.runs, asked.options)
    if ahead.existing and ahead.wanted is None:
        runs = [run for run in ahead.runs if demand(run.words) not in check.impossible]
        return Sweep(ahead.existing, runs, asked.options, asked.config.quiet)
    return _write(asked, [one for one in ahead.wanted or () if demand(one.words) not in check.impossible])


def _write(asked: Asked, wanted: Sequence[Wanted]) -> Sweep:
    """Add to the plan what it lacks; somebody else may have added it meanwhile."""
    if asked.path is None:
        path = create_folder(Path(asked.config.output_dir), datetime.now().strftime("%Y%m%d-%H%M%S-sweep"))
    else:
        path = asked.path
        ensure_folder(path)
    folder = make_sweep(path)
    complete = len(wanted) == len(asked.arms)  # otherwise the same words must find out again what was left out
    with folder.planning() as plan:
        new, names = add_runs(plan, wanted)
        request = Request(asked.request, composer() if complete else "", names)
        if new or request not in plan.requests:
            folder.extend(request, new)
    return Sweep(folder, folder.plan.runs_of(names), asked.options, asked.config.quiet)


def resume_sweep(path: Path, words: list[str]) -> Sweep:
    """Everything in a sweep's plan, with options only (UsageError for other words, and as :func:`begin_sweep`)."""
    options = resume_options(words)
    folder = open_sweep(path)
    impossible = check_runs(folder, folder.runs, options).impossible
    return Sweep(folder, [run for run in folder.runs if demand(run.words) not in impossible], options)


def resume_options(words: list[str]) -> SweepOptions:
    """The options of a sweep that is there already (UsageError for any other word)."""
    options, others = split_options(words)
    if others:
        raise UsageError(
            f"{others[0]}: a sweep is resumed as it was planned; add runs with seqablate train -m name=..."
        )
    return options


@dataclass(frozen=True)
class Check:
    """What was found out about runs before any begins.

    Attributes:
        left: how those stand that are no results yet, or no longer.
        impossible: the demands that this machine cannot meet, where such runs are to be skipped.
    """

    left: list[RunStanding]
    impossible: set[tuple[str, ...]]


def check_runs(
    folder: SweepFolder | None, runs: Sequence[PlannedRun], options: SweepOptions, *, touch: bool = True
) -> Check:
    """Settle what is stale, and see to it that what is missing can be trained.

    Args:
        folder: the sweep, if it is there already.
        runs: those that are asked for.
        options: of the sweep.
        touch: False: nothing is moved or written.

    Raises:
        UsageError: stale runs that are to be refused; a run that cannot be trained here and is not to be skipped.
    """
    found = {one.run.name: one for one in standings(folder, runs)} if folder else {}
    stale = find_stale(folder, list(found.values()), options.sweep.stale) if folder else {}
    now = [RunStanding(r, "pending") if r.name in stale or r.name not in found else found[r.name] for r in runs]
    left = [one for one in now if one.standing not in FINISHED]
    impossible = _impossible([one.run for one in left], options)
    if folder and touch:  # last: a refusal moves nothing
        put_aside(folder, stale.values())
    return Check([one for one in left if demand(one.run.words) not in impossible], impossible)


def _impossible(runs: Sequence[PlannedRun], options: SweepOptions) -> set[tuple[str, ...]]:
    """The demands of these runs that this machine cannot meet (UsageError where they are not to be skipped)."""
    demands = {demand(run.words): run for run in runs}
    if not demands:
        return set()
    warm_up()
    answers = in_a_worker(check_means, [run.words for run in demands.values()])
    wrong = {one: line for one, line in zip(demands, answers, strict=True) if line}
    for one, line in wrong.items():
        if not options.sweep.skip_invalid:
            raise UsageError(f"{line} (in the sweep's run {demands[one].name}; nothing was started)")
        complain(f"skipped: {line} (as in {demands[one].name})")
    return set(wrong)


def carry_out(sweep: Sweep) -> int:
    """Train what is missing; 0 when all are done, 1 when a run is not, 128 + n when signal n ended it."""
    missing = sweep.missing()
    stopped = train(sweep, missing)
    if stopped is None:  # it goes on elsewhere
        return 0
    failed = report_sweep(sweep.folder, sweep.runs, quiet=sweep.quiet, trained=bool(missing))
    return stopped or failed


def train(sweep: Sweep, missing: list[PlannedRun]) -> int | None:
    """Train the runs that are missing (see :meth:`seqablate.launch.base.Launcher.start`)."""
    if not sweep.quiet:
        say(standing_line(len(sweep.runs), str(sweep.folder.path), len(missing), beside=len(sweep.folder.runs)))
    launcher: Launcher = sweep.options.launch
    return launcher.start(sweep, missing) if missing else 0


def standing_line(runs: int, place: str, missing: int, *, beside: int) -> str:
    """``sweep of 6 runs in outputs/x (which has 6 others): 2 are there, 4 to do``.

    Args:
        runs: that a command asks for.
        place: the folder of the sweep.
        missing: how many of them are to be done.
        beside: how many runs are planned there in all.
    """
    others = f" (which has {counted(beside - runs, 'other')})" if beside > runs else ""
    there = f"{runs - missing} are there, " if missing < runs else ""
    return f"sweep of {counted(runs, 'run')} in {printable(place)}{others}: {there}{missing} to do"


def join_sweep(path: Path, words: list[str], *, leave: bool, when_ready: Callable[[], None]) -> int:
    """Work at a sweep in this process, beside whoever else does.

    Args:
        path: its folder.
        words: options of the sweep.
        leave: end when nothing is left to begin.
        when_ready: called before the first run.

    Returns:
        0 when all runs are done, 1 when one is not, 128 + n when signal n ended it.
    """
    sweep = resume_sweep(path, words)
    orders = replace(sweep.orders(leave=leave), runs=None)  # the plan may grow
    screen = SweepScreen()
    screen.begin(sweep.standings(), [run.name for run in sweep.missing()], workers=1)
    try:
        if sweep.missing():
            load_everything()  # an edit of its source from now on changes nothing here
        when_ready()
        stopped = work_on(path, orders, screen.event)
    finally:
        screen.end()
    if stopped == NO_MEMORY:
        complain("out of memory: this worker ends, so that another one can go on with an empty memory")
    failed = report_sweep(sweep.folder, sweep.folder.runs, quiet=False, trained=True)
    return failed if stopped in (0, NO_MEMORY) else stopped
