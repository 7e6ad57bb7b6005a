"""A sweep: one folder, one run folder for each arm, Hydra's launcher in between, and a table at the end."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from seqablate.cli import collect_again
from seqablate.config.codec import to_plain
from seqablate.config.compose import CONFIG_NAME, config_folder, to_train_config
from seqablate.config.schema import TrainConfig
from seqablate.console.output import make_console
from seqablate.errors import RunFailure, UsageError
from seqablate.record.folder import create_folder

# Hydra writes nothing of its own but multirun.yaml, which says what was asked for.
QUIET = ["hydra.output_subdir=null", "hydra/job_logging=none", "hydra/hydra_logging=none"]


def run_sweep(configs: list[TrainConfig], overrides: list[str]) -> int:
    """Train every config; 0 when all are done, 1 when one failed or diverged, 128 + n when a signal ended it."""
    if not configs:
        raise UsageError(f"a sweep over nothing: one of {' '.join(overrides)} is an empty range")
    first = configs[0]
    folder = create_folder(Path(first.output_dir), first.name or datetime.now().strftime("%Y%m%d-%H%M%S-sweep"))
    say(f"sweep of {len(configs)} run{'s' * (len(configs) > 1)} in {folder}")
    stopped = _launch(folder, overrides)
    failed = _report(folder, configs)
    return stopped or failed


def _launch(folder: Path, overrides: list[str]) -> int:
    """Hand the arms to Hydra's launcher; 0, or the code with which something stopped it."""
    import hydra

    main = hydra.main(version_base="1.3", config_path=str(config_folder()), config_name=CONFIG_NAME)(run_arm)
    places = [f"hydra.sweep.dir={quoted(str(folder.resolve()))}", "hydra.sweep.subdir=."]
    with _arguments(["seqablate train", "--multirun", *overrides, *QUIET, *places]):
        try:
            main()
        except SystemExit as stop:
            return stop.code if isinstance(stop.code, int) else 1
        except KeyboardInterrupt:
            return 128 + signal.SIGINT
    return 0


def quoted(text: str) -> str:
    """A string that Hydra's override grammar reads as it is."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def run_arm(composed: Any) -> None:
    """One run of the sweep, in whatever process Hydra's launcher chose. What goes wrong is said, never raised."""
    from hydra.core.hydra_config import HydraConfig

    from seqablate.api import run_config
    from seqablate.assemble import load_variants

    load_variants()
    job = HydraConfig.get()
    config = to_train_config(composed)
    config.output_dir = job.sweep.dir
    config.name = arm_name(job.job.num, config)
    words = list(job.overrides.task)
    say(f"[{job.job.num}] {' '.join(words)}")
    try:
        ending = run_config(config, ["seqablate", "train", *words], brief=True, when_ready=collect_again)
    except (UsageError, RunFailure) as error:
        complain(f"[{job.job.num}] FAILED: {error}")
    except Exception:  # whatever it is, the other arms must go on; nothing is hidden: it is printed whole
        complain(f"[{job.job.num}] FAILED:\n{traceback.format_exc()}")
    else:
        if ending.signum is not None:
            raise SystemExit(128 + ending.signum)


def arm_name(number: int, config: TrainConfig) -> str:
    """``007-adding-lstm-norm-s3``: short, sorted as started, unique by its number."""
    plain = to_plain(config)
    return "-".join([f"{number:03d}", *(plain[g]["name"] for g in ("task", "model", "clip")), f"s{config.seed}"])


def _report(folder: Path, configs: list[TrainConfig]) -> int:
    """The table of what there is, then every arm that is not done by name; 1 if there is one, else 0."""
    from seqablate.compare.table import render_table
    from seqablate.record.run import Run

    names = [arm_name(number, config) for number, config in enumerate(configs)]
    runs = [Run(folder / name) for name in names if (folder / name / "run.json").is_file()]
    console = make_console()
    if runs:
        console.print(render_table(runs, console.width))
    bad = {run.name: f"{run.status}: {run.info['message']}" for run in runs if run.status != "done"}
    bad |= {name: "did not begin" for name in names if not (folder / name / "run.json").is_file()}
    for name, why in sorted(bad.items()):
        complain(f"not done: {name} ({why.removesuffix(': None')})")
    for run in runs:
        if run.status in ("interrupted", "killed", "failed"):
            say(f"go on: seqablate resume {shlex.quote(os.path.relpath(run.path))}")
    say(f"{len(names) - len(bad)} of {len(names)} runs done in {folder}")
    say(f"next: seqablate show {shlex.quote(os.path.relpath(folder))}")
    return 1 if bad else 0


def say(line: str) -> None:
    """A line on standard output, if anyone is reading still."""
    make_console().print(line, markup=False, soft_wrap=True)


def complain(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextmanager
def _arguments(argv: list[str]) -> Iterator[None]:
    """Hydra reads its words from sys.argv."""
    before = sys.argv
    sys.argv = argv
    try:
        yield
    finally:
        sys.argv = before
