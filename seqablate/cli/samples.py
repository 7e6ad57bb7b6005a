"""``seqablate tasks NAME [overrides]``: real sequences of a task, from the first batch that it would be trained on."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING

from seqablate.assemble import build_task, load_variants, read_overrides
from seqablate.config.catalogue import variant_entry
from seqablate.config.checks import at_least
from seqablate.config.registry import variants
from seqablate.errors import UsageError

if TYPE_CHECKING:
    from seqablate.config.schema import TrainConfig

VERSION = 1  # of --json


def show(name: str, words: list[str], count: int, *, as_json: bool) -> None:
    """Print ``count`` samples of ``task=NAME`` (UsageError if there is no such task, or a word is wrong)."""
    from seqablate.report.samples import samples

    at_least(1)("--samples", count)
    load_variants()
    config = _config(name, words)
    task = build_task(config)
    shown = list(islice(samples(task, task.train_batch(0)), count))
    if as_json:
        print(json.dumps({"version": VERSION, "task": name, "samples": [one.to_json() for one in shown]}, indent=1))
        return
    from seqablate.report.console import make_console
    from seqablate.report.lines import print_line
    from seqablate.report.outcome import scale_lines
    from seqablate.report.samples import picture
    from seqablate.text import counted

    console = make_console()
    print_line(console, f"{name}: {variant_entry('task', name).summary}", style="bold")
    for line in [*scale_lines(task), *task.notes]:
        print_line(console, f"  {line}", style="dim")
    for number, one in enumerate(shown, 1):
        print_line(console, f"sample {number}: {counted(one.length, 'timestep')}", style="bold")
        for part in picture(one, console.width):
            console.print(part, soft_wrap=True)


def _config(name: str, words: list[str]) -> TrainConfig:
    """Its config with the default model, or else with the first one that takes the task."""
    asked = [f"task={name}", *words]
    try:
        return read_overrides(asked)
    except UsageError as refused:
        for model in variants("model"):
            try:
                return read_overrides([*asked, f"model={model}"])
            except UsageError:
                continue
        raise refused
