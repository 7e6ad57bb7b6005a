"""``launch=local``: a few worker processes on this machine, started once and used for many runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seqablate.config.registry import variant

if TYPE_CHECKING:
    from seqablate.launch.base import Sweep
    from seqablate.sweep.folder import PlannedRun


@variant("launch", "local")
@dataclass(kw_only=True, slots=True)
class LocalLaunch:
    """Processes of this machine."""

    def start(self, sweep: Sweep, missing: Sequence[PlannedRun]) -> int:
        """See :class:`seqablate.launch.base.Launcher`."""
        from seqablate.launch.pool import Pool
        from seqablate.launch.screen import SweepScreen

        count = min(len(missing), sweep.options.workers or cores(missing))
        screen = SweepScreen(sweep.quiet)
        screen.begin(sweep.standings(), [run.name for run in missing], count)
        try:
            return Pool(sweep.folder.path, sweep.orders(), count, screen).run()
        finally:
            screen.end()


def cores(runs: Sequence[PlannedRun]) -> int:
    """How many runs this machine carries at once: a core for each thread of a run; on a GPU, which they share, one."""
    words = {word for run in runs for word in run.words}
    if any(word.startswith("device=cuda") for word in words) or ("device=cpu" not in words and _has_gpu()):
        return 1
    threads = max((int(word.removeprefix("threads=")) for word in words if word.startswith("threads=")), default=1)
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, usable // threads)


def _has_gpu() -> bool:
    """Whether there may be one, without asking torch."""
    return any(Path("/dev").glob("nvidia[0-9]*"))
