"""A sweep whose arms are tuned (``sweep.sampler=optuna``) is carried out in rounds, which plan new points for each arm.

A round has the same number of points whatever the machine and the workers, so the same runs come of it.
"""

from __future__ import annotations

from seqablate.launch.base import Sweep
from seqablate.launch.command import Asked, begin_sweep, train
from seqablate.launch.ending import report_sweep
from seqablate.sweep.standing import standings
from seqablate.sweep.tuner import costs_of, tuned

ROUND = 4  # new points of an arm


def carry_out_rounds(asked: Asked) -> int:
    """Train what is missing, round after round; exit codes are those of :func:`seqablate.launch.command.carry_out`.

    Raises:
        UsageError: as :func:`seqablate.launch.command.begin_sweep`.
    """
    sweep: Sweep | None = begin_sweep(asked)
    trained = False
    while sweep is not None:
        last, missing = sweep, sweep.missing()
        trained = trained or bool(missing)
        stopped = train(sweep, missing) if missing else 0
        if stopped is None:  # it goes on elsewhere; the same command then plans the next round
            return 0
        sweep = None if stopped else _grown(asked, sweep)
    return stopped or report_sweep(last.folder, last.runs, quiet=last.quiet, trained=trained)


def _grown(asked: Asked, sweep: Sweep) -> Sweep | None:
    """The sweep with what else is planned already, or else with a new round; None: it has all its points."""
    found = standings(sweep.folder)
    if asked.options.sweep.fail_fast and any(each.standing == "failed" for each in found):
        return None
    asked.config.name = sweep.folder.path.name  # from now on, where it had none
    for more in (0, ROUND):
        asked.arms = tuned(asked.typed, asked.options, costs_of(found), more)
        if len(asked.arms) > len(sweep.runs) and len((grown := begin_sweep(asked)).runs) > len(sweep.runs):
            return grown
    return None
