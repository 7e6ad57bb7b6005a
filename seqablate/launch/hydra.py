"""A sweep on one of Hydra's launcher plug-ins: ``hydra/launcher=joblib`` (several runs at once), ``submitit_slurm`` ...

Hydra starts the runs and nothing else: each of them composes and checks its own words, as a sweep without a launcher
does, and writes into the folder that the sweep has made.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seqablate.config.compose import CONFIG_NAME, compose_config, config_folder
from seqablate.config.overrides import quote_letters
from seqablate.errors import UsageError, shorten
from seqablate.launch.local import run_arm
from seqablate.launch.plan import Arm, place_arm

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


def launch(launcher: Any, arms: Sequence[Arm], folder: Path) -> int:
    """Have every arm run; 130 when Ctrl-C ended the sweep, else 0: how the runs ended is in their folders."""
    place = str(folder.resolve()).replace("\\", "\\\\").replace("'", "\\'")
    launcher.config.hydra.overrides.hydra.append(f"hydra.sweep.dir='{place}'")  # each run is composed from these words
    launcher.config.hydra.sweep.dir = str(folder.resolve())
    try:
        launcher.launch([[quote_letters(word) for word in arm.words] for arm in arms], initial_job_idx=0)
    except KeyboardInterrupt:
        return 130
    return 0


def run_launched(composed: Any) -> int:
    """One run in whatever process one of Hydra's launchers chose: it composes and checks its own words."""
    from hydra.core.hydra_config import HydraConfig

    from seqablate.assemble import load_variants

    load_variants()
    job = HydraConfig.get()
    words = list(job.overrides.task)
    config = compose_config(words)
    place_arm(job.job.num, config, Path(job.sweep.dir))
    return run_arm(Arm(words, config))
