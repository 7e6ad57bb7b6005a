"""A sweep on one of Hydra's launcher plug-ins: ``hydra/launcher=joblib`` (several runs at once), ``submitit_slurm`` ...

Hydra starts the runs and nothing else: each is a worker (:mod:`seqablate.launch.work`) that claims one run of the plan.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

from seqablate.config.compose import CONFIG_NAME, config_folder
from seqablate.config.overrides import quote_letters
from seqablate.errors import UsageError, shorten
from seqablate.launch.base import Sweep
from seqablate.launch.events import print_event
from seqablate.launch.work import work_on
from seqablate.sweep.claims import Claims
from seqablate.sweep.folder import PlannedRun, SweepFolder, open_sweep
from seqablate.sweep.queue import Orders

ORDERS = "SEQABLATE_ORDERS"  # the environment variable of a job
# Hydra writes no files of its own.
QUIET = ["hydra.sweep.subdir=.", "hydra.output_subdir=null", "hydra/job_logging=none", "hydra/hydra_logging=none"]


def make_launcher(words: list[str]) -> Any:
    """The launcher that ``hydra/launcher=NAME hydra.launcher.KEY=VALUE`` describe; it calls :func:`run_launched`.

    Raises:
        UsageError: there is no such launcher.
    """
    from hydra import version
    from hydra._internal.callbacks import Callbacks
    from hydra._internal.hydra import Hydra
    from hydra._internal.utils import create_config_search_path
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.plugins import Plugins
    from hydra.types import HydraContext, RunMode

    version.setbase("1.3")
    try:
        hydra = Hydra.create_main_hydra2("seqablate", create_config_search_path(str(config_folder())))
        config = hydra.compose_config(CONFIG_NAME, [*words, *QUIET], RunMode.MULTIRUN, False)
        context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks())
        return Plugins.instance().instantiate_launcher(hydra_context=context, task_function=run_launched, config=config)
    except Exception as error:  # of Hydra and of the plug-in, each with kinds of its own
        raise UsageError(
            f"{words[0]}: no such launcher can be used here ({shorten(error)}); install its package, such as "
            "hydra-joblib-launcher, or leave the word out"
        ) from error
    finally:
        GlobalHydra.instance().clear()


class HydraLaunch:
    """What starts the runs of a sweep through a launcher that :func:`make_launcher` has made."""

    def __init__(self, launcher: Any) -> None:
        self.launcher = launcher

    def start(self, sweep: Sweep, missing: Sequence[PlannedRun]) -> int:
        """Have every run trained; 130 when Ctrl-C ended the sweep, else 0: how the runs ended is in their folders."""
        path = str(sweep.folder.path.resolve())
        place = path.replace("\\", "\\\\").replace("'", "\\'")
        config = self.launcher.config
        config.hydra.overrides.hydra.append(f"hydra.sweep.dir='{place}'")  # each run is composed from these words
        config.hydra.overrides.hydra.append(f"+hydra.job.env_set.{ORDERS}={_packed(sweep.orders())}")
        config.hydra.sweep.dir = path
        try:
            self.launcher.launch([_quoted(run) for run in missing], initial_job_idx=0)
        except KeyboardInterrupt:
            return 130
        return 0


def run_launched(composed: Any) -> int:
    """One run in whatever process one of Hydra's launchers chose: a worker that claims this run only."""
    from hydra.core.hydra_config import HydraConfig

    job = HydraConfig.get()
    folder = open_sweep(job.sweep.dir)
    name = next(run.name for run in reversed(folder.runs) if _quoted(run) == list(job.overrides.task))
    return work_on(folder.path, _unpacked(os.environ[ORDERS], folder, name), print_event)


def _packed(orders: Orders) -> str:
    """What a job needs to know of the orders, as a word that Hydra's grammar reads as text."""
    told = {"retry_failed": orders.retry_failed, "timeout": orders.timeout, "lease": orders.lease}
    return f"x{json.dumps(told).encode().hex()}"


def _unpacked(word: str, folder: SweepFolder, name: str) -> Orders:
    """The orders for one run; only what happens to it from now on counts."""
    told = json.loads(bytes.fromhex(word[1:]))
    before = Claims(folder.claims, "", told["lease"]).generations()
    return Orders(**told, leave=True, runs=frozenset([name]), before=before)


def _quoted(run: PlannedRun) -> list[str]:
    return [quote_letters(word) for word in run.words]
