"""A study from its file to its last run: frozen, tuned, run. What is there already is never done again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from seqablate.errors import UsageError
from seqablate.launch.command import Asked, begin_sweep, check_runs, foresee, train
from seqablate.study.frozen import Frozen, freeze, is_study
from seqablate.study.look import look_at
from seqablate.study.request import Request
from seqablate.study.runs import check_arms, divide
from seqablate.study.sweeps import Stage, choose, deciding_stage, tuning_stage, untuned


def run_study(request: Request, *, quiet: bool = False) -> int | None:
    """Freeze the study and do what it lacks.

    Args:
        request: what is asked for.
        quiet: show no progress.

    Returns:
        0 when nothing is left that could be done, 128 + n when signal n ended it, None while it goes on elsewhere.

    Raises:
        UsageError: what cannot be run, or differs from what was frozen. Nothing is begun then.
    """
    check_arms(request.frozen.study, quick=request.frozen.quick)
    if not is_study(request.folder):  # a study that cannot be run is not frozen
        first = next(stages(request.folder, request.frozen))
        asked = ask(first, request.options, quiet)
        check_runs(None, foresee(asked).runs, asked.options, touch=False)
    frozen = freeze(request.folder, request.frozen)
    for stage in stages(request.folder, frozen):
        sweep = begin_sweep(ask(stage, request.options, quiet))
        stopped = train(sweep, sweep.missing())
        if stopped != 0:
            return stopped
    return 0


def stages(folder: Path, frozen: Frozen) -> Iterator[Stage]:
    """What a study needs, one after the other, each once the one before it is done.

    It ends where a stage has a run without a result, and after the look at which the claim is decided.
    """
    tuning = tuning_stage(folder, frozen)
    if tuning is not None:
        yield tuning
    for look in frozen.looks:
        tuned = tuning_stage(folder, frozen)  # read again: it has been carried out meanwhile
        if tuned is not None and tuned.unfinished():
            return
        yield deciding_stage(folder, frozen, untuned(frozen) if tuned is None else choose(frozen, tuned), look)
        if look != frozen.looks[-1] and look_at(folder, frozen, look).verdict.word != "INCONCLUSIVE":
            return


def ask(stage: Stage, options: Sequence[str], quiet: bool) -> Asked:
    """The sweep of a stage, as a command would ask for it."""
    common, runs = divide(list(stage.words.values()))
    asked = Asked([*options, *common], runs)
    if asked.options.sweep.samples is not None or asked.options.sweep.skip_invalid:
        raise UsageError("sweep.samples and sweep.skip_invalid: a study has the arms that its file names")
    asked.config.output_dir, asked.config.name = str(stage.path.parent), stage.path.name
    asked.config.quiet = quiet
    return asked
