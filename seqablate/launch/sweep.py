"""A sweep: one folder, one run folder for each arm, trained one after the other, and a table at the end."""

from __future__ import annotations

import gc
import os
import shlex
import traceback
from datetime import datetime
from pathlib import Path
from typing import Any

from seqablate.config.codec import to_plain
from seqablate.config.compose import compose_config
from seqablate.config.schema import TrainConfig
from seqablate.errors import RunFailure, UsageError
from seqablate.launch.hydra import launch, make_launcher
from seqablate.launch.process import begin_run
from seqablate.record.folder import create_folder
from seqablate.report.console import run_console
from seqablate.text import counted

Arms = list[tuple[list[str], TrainConfig]]  # the words of each, and what they compose to


def run_sweep(arms: Arms, launcher_words: list[str]) -> int:
    """Train every arm; 0 when all are done, 1 when one failed or diverged, 128 + n when signal n ended the sweep.

    Args:
        arms: what has been checked.
        launcher_words: the choice of one of Hydra's launchers; without any the arms run here, one after the other.
    """
    first = arms[0][1]
    launcher = make_launcher(launcher_words, run_launched) if launcher_words else None
    folder = create_folder(Path(first.output_dir), first.name or datetime.now().strftime("%Y%m%d-%H%M%S-sweep"))
    say(f"sweep of {counted(len(arms), 'run')} in {folder}")
    for number, (_, config) in enumerate(arms):
        prepare_arm(number, config, folder)
    stopped = run_one_by_one(arms) if launcher is None else launch(launcher, [words for words, _ in arms], folder)
    failed = _report(folder, [str(config.name) for _, config in arms])
    return stopped or failed


def prepare_arm(number: int, config: TrainConfig, folder: Path) -> None:
    """Say where an arm's run folder is made."""
    config.output_dir, config.name = str(folder), arm_name(number, config)


def run_one_by_one(arms: Arms) -> int:
    """Every arm in this process; 128 + n when signal n stopped one, else 0."""
    swept = _swept([words for words, _ in arms])
    for number, (words, config) in enumerate(arms):
        say(f"[{number + 1}/{len(arms)}] {' '.join(word for word in words if word in swept)}")
        stopped = run_arm(words, config)
        gc.collect()  # a run leaves some 2 MB of cycles, which would wait for a rare full collection
        if stopped:
            return stopped
    return 0


def run_arm(words: list[str], config: TrainConfig) -> int:
    """One run of the sweep. What goes wrong is said, never raised; 128 + n when signal n stopped it, else 0."""
    from seqablate.api import run_config

    try:
        ending = run_config(config, ["seqablate", "train", *words], brief=True, when_ready=begin_run)
    except (UsageError, RunFailure) as error:
        complain(f"{config.name}: failed: {error}")
    except KeyboardInterrupt:  # while kernels were compiled: nothing is written yet
        return 130
    except Exception:  # whatever it is, the other arms must go on; nothing is hidden: it is printed whole
        complain(f"{config.name}: failed:\n{traceback.format_exc()}")
    else:
        return 0 if ending.signum is None else 128 + ending.signum
    return 0


def run_launched(composed: Any) -> int:
    """One run in whatever process one of Hydra's launchers chose: it composes and checks its own words."""
    from hydra.core.hydra_config import HydraConfig

    from seqablate.assemble import load_variants

    load_variants()
    job = HydraConfig.get()
    words = list(job.overrides.task)
    config = compose_config(words)
    prepare_arm(job.job.num, config, Path(job.sweep.dir))
    return run_arm(words, config)


def arm_name(number: int, config: TrainConfig) -> str:
    """``007-adding-lstm-norm-s3``: short, sorted as started, unique by its number."""
    plain = to_plain(config)
    return "-".join([f"{number:03d}", *(plain[g]["name"] for g in ("task", "model", "clip")), f"s{config.seed}"])


def _swept(arms: list[list[str]]) -> set[str]:
    """The words in which arms differ; all words of a sweep of one."""
    common = set(arms[0]).intersection(*arms) if len(arms) > 1 else set()
    return {word for words in arms for word in words} - common


def _report(folder: Path, names: list[str]) -> int:
    """The table of what there is, then every arm that is not done by name; 1 if there is one, else 0."""
    from seqablate.compare.table import render_table
    from seqablate.record.run import Run

    runs = [Run(folder / name) for name in names if (folder / name / "run.json").is_file()]
    console = run_console()
    if runs:
        console.print(render_table(runs, console.width))
    bad = {run.name: f"{run.status}: {run.info.message}" for run in runs if run.status != "done"}
    bad |= {name: "not started" for name in names if not (folder / name / "run.json").is_file()}
    for name, why in sorted(bad.items()):
        complain(f"{name}: {why.removesuffix(': None')}")
    for run in runs:
        if run.status in ("interrupted", "killed", "failed"):
            say(f"continue: seqablate resume {shlex.quote(os.path.relpath(run.path))}")
    say(f"{len(names) - len(bad)} of {len(names)} runs done in {folder}")
    say(f"next: seqablate show {shlex.quote(os.path.relpath(folder))}")
    return 1 if bad else 0


def say(line: str) -> None:
    """A line on standard output, if anyone is reading still."""
    run_console().print(line, markup=False, soft_wrap=True)


def complain(text: str) -> None:
    """Lines on standard error, likewise."""
    run_console(stderr=True).print(text, markup=False, soft_wrap=True)
