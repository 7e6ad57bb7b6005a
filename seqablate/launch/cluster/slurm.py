"""``launch=slurm``: the workers of a sweep are jobs of a Slurm array, submitted by submitit.

A job is one worker (:mod:`seqablate.launch.work`): it ends when no run is left to begin. Everything that submitit
writes is in ``SWEEP/.slurm``: the output of every job, what it was submitted with, and how it ended.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any

from seqablate.config.checks import at_least, positive
from seqablate.config.keys import key
from seqablate.config.registry import variant
from seqablate.errors import RunFailure, UsageError, shorten
from seqablate.launch.base import Sweep
from seqablate.launch.cluster.own import own_folder
from seqablate.launch.events import Event, print_event
from seqablate.launch.screen import SweepScreen
from seqablate.launch.work import NO_MEMORY, work_on
from seqablate.record.schema import FINISHED
from seqablate.report.lines import complain, say
from seqablate.sweep.folder import PlannedRun
from seqablate.sweep.queue import Orders
from seqablate.sweep.standing import RunStanding, standings
from seqablate.text import counted
from seqablate.training.interrupt import Interruption

LOGS = ".slurm"  # in the sweep folder
MOST_JOBS = 8  # that are submitted where no number is given
ENDED = (*FINISHED, "failed")
PERIOD = 1.0  # seconds between two looks at a sweep that is waited for


class Cluster(Enum):
    """What starts the jobs: Slurm; processes of this machine; this process, one after the other."""

    slurm = "slurm"
    local = "local"
    debug = "debug"


@variant("launch", "slurm")
@dataclass(kw_only=True, slots=True)
class SlurmLaunch:
    """An array of Slurm jobs, through submitit (seqablate[slurm])."""

    cluster: Cluster = key("what starts the jobs; local and debug need no Slurm: processes here, or this one")
    partition: str | None = key("partition of the cluster; null: its default")
    account: str | None = key("account that is charged; null: your default")
    timeout_min: int = key(at_least(1), "minutes that a job may take; its run is saved before they are over")
    requeue: int = key(at_least(0), "how often a job whose time is over is queued again")
    cpus_per_task: int = key(at_least(1), "CPUs of a job")
    mem_gb: float = key(positive, "memory of a job in GB")
    gpus: int = key(at_least(0), "GPUs of a job")
    sbatch: list[str] = key("other options of sbatch, such as ['qos=high','constraint=a100']")
    setup: list[str] = key("shell commands that each job begins with, such as ['module load python']")
    wait: bool = key("true: wait for the jobs and print the table; false: submit them and return")

    def check_keys(self) -> None:
        if find_spec("submitit") is None:
            raise UsageError("launch=slurm needs the package submitit: pip install 'seqablate[slurm]'")
        if self.cluster is Cluster.slurm and not (shutil.which("sbatch") and shutil.which("srun")):
            raise UsageError(
                "launch=slurm: this machine has no sbatch and srun; begin the sweep where jobs are submitted, "
                "or try it with launch.cluster=local"
            )
        for option in self.sbatch:
            if "=" not in option or not option.partition("=")[0].replace("-", "").isalnum():
                raise UsageError(f"launch.sbatch: {shorten(option)!r} must be option=value, such as qos=high")

    def start(self, sweep: Sweep, missing: Sequence[PlannedRun]) -> int | None:
        """See :class:`seqablate.launch.base.Launcher`."""
        count = min(len(missing), sweep.options.workers or MOST_JOBS)
        jobs = self._submit(sweep, count)
        place = shlex.quote(os.path.relpath(sweep.folder.path))
        say(f"submitted {counted(len(jobs), 'job')}: {', '.join(job.job_id for job in jobs)}; output in {place}/{LOGS}")
        watch = f"seqablate status {place} --watch"
        if not self.wait and self.cluster is not Cluster.debug:
            say(f"watch: {watch}")
            return None
        stopped = _wait(sweep, missing, jobs)
        if stopped:
            say(f"no longer waiting; the jobs go on, and end with scancel: {watch}")
        return stopped

    def _submit(self, sweep: Sweep, count: int) -> list[Any]:
        """submitit's jobs (RunFailure if the cluster does not take them, UsageError if their folder is a link)."""
        import submitit

        path = sweep.folder.path.resolve()
        logs = own_folder(path / LOGS)
        turn = Turn(str(path), sweep.orders(leave=True))
        limits = {"slurm_max_num_timeout": self.requeue, "local_max_num_timeout": self.requeue}
        try:
            executor = submitit.AutoExecutor(logs, cluster=self.cluster.value, **limits)
            if self.cluster is not Cluster.debug:
                executor.update_parameters(**self._parameters(f"seqablate-{path.name}"))
            jobs: list[Any] = executor.submit_array([turn] * count)
        except (RuntimeError, OSError, ValueError) as error:
            raise RunFailure(f"the jobs could not be submitted: {' '.join(str(error).split())}") from error
        return jobs

    def _parameters(self, name: str) -> dict[str, Any]:
        """In submitit's words; those that begin with ``slurm_`` are of Slurm alone."""
        return {
            "name": name,
            "timeout_min": self.timeout_min,
            "cpus_per_task": self.cpus_per_task,
            "mem_gb": self.mem_gb,
            "gpus_per_node": self.gpus or None,  # a cluster without GPUs may refuse 0
            "slurm_partition": self.partition,
            "slurm_account": self.account,
            "slurm_additional_parameters": dict(option.split("=", 1) for option in self.sbatch),
            "slurm_setup": self.setup or None,
            "local_setup": self.setup,
        }


class Turn:
    """What one job does. submitit sends it to the job as a pickle.

    Slurm asks a job to end with SIGTERM, and some time before its time is over with the signal that submitit has chosen
    (USR2). For both submitit has handlers which would ignore the first and leave the run at once for the second. Here
    both have the run saved; then submitit's own handler puts the job into the queue again. It also does so when memory
    ran out, because only a new process has all of it again; how often a run may end in this way, the claims tell.
    """

    def __init__(self, path: str, orders: Orders) -> None:
        self.path = path
        self.orders = orders
        self.asked: int | None = None

    def __call__(self) -> int:
        number = _farewell()
        requeue = signal.signal(number, self._end)
        try:
            code = work_on(Path(self.path), self.orders, print_event)
        except (UsageError, RunFailure) as error:
            complain(f"seqablate: {error}")
            code = 2 if isinstance(error, UsageError) else 1
        finally:
            signal.signal(number, requeue)
        if code == NO_MEMORY or (self.asked is not None and code > 128):
            if callable(requeue):
                requeue(number, None)  # ends this process
            elif code == NO_MEMORY:
                complain("memory ran out, and nothing puts this job into the queue again")
        return code

    def _end(self, number: int, frame: FrameType | None) -> None:
        self.asked = number
        signal.raise_signal(signal.SIGTERM)

    def checkpoint(self) -> Any:
        """What the job does when it is its turn again: the same (a method that submitit looks for)."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(Turn(self.path, self.orders))


def _farewell() -> signal.Signals:
    """The signal that submitit has a job sent before its time is over."""
    return signal.Signals[f"SIG{os.environ.get('SUBMITIT_PREEMPT_SIGNAL', 'USR2')}"]


def _wait(sweep: Sweep, missing: Sequence[PlannedRun], jobs: Sequence[Any]) -> int:
    """Show what becomes of the runs until every job has ended; 128 + n when signal n came first, else 0."""
    open_runs = {run.name: run for run in missing}
    screen = SweepScreen(sweep.quiet)
    screen.begin(sweep.standings(), open_runs.keys(), len(jobs))
    with Interruption() as interruption:
        try:
            while interruption.signum is None:
                ended = all(job.done() for job in jobs)  # asked first, so that what they did last is seen
                for found in standings(sweep.folder, list(open_runs.values())):
                    if found.standing in ENDED:
                        del open_runs[found.run.name]
                        screen.event(_end(found))
                if ended:
                    return 0
                screen.tick()
                time.sleep(PERIOD)
        finally:
            screen.end()
    return 128 + interruption.signum


def _end(found: RunStanding) -> Event:
    if found.info is None:
        return Event("end", found.run.name, text=f"failed: {found.message}", status="failed")
    text = found.info.standing + (f": {found.message}" if found.message else "")
    return Event("end", found.run.name, text=text, status=found.standing, seconds=found.info.seconds.total)
