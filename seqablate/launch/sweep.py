"""A sweep: one folder, one run folder for each arm, and a table at the end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from seqablate.launch.ending import report_sweep
from seqablate.launch.hydra import launch, make_launcher
from seqablate.launch.local import run_one_by_one
from seqablate.launch.plan import Arm, place_arm
from seqablate.record.folder import create_folder
from seqablate.report.lines import say
from seqablate.text import counted


def run_sweep(arms: Sequence[Arm], launcher_words: list[str]) -> int:
    """Train every arm; 0 when all are done, 1 when one failed or diverged, 128 + n when signal n ended the sweep.

    Args:
        arms: what has been checked.
        launcher_words: the choice of one of Hydra's launchers; without any the arms run here, one after the other.
    """
    first = arms[0].config
    launcher = make_launcher(launcher_words) if launcher_words else None
    folder = create_folder(Path(first.output_dir), first.name or datetime.now().strftime("%Y%m%d-%H%M%S-sweep"))
    say(f"sweep of {counted(len(arms), 'run')} in {folder}")
    for number, arm in enumerate(arms):
        place_arm(number, arm.config, folder)
    stopped = run_one_by_one(arms) if launcher is None else launch(launcher, arms, folder)
    failed = report_sweep(folder, [str(arm.config.name) for arm in arms])
    return stopped or failed
