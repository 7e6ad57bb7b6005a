"""``seqablate train [-m] [overrides]``: one run, or a sweep on Hydra's launchers.

Hydra composes, explains (``--help``, ``--cfg``, ``--info``) and launches. Checking, run folders and exit codes are
ours: every run of a sweep is checked before the first begins, and one that fails leaves the others alone.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import yaml

from seqablate.assemble import build_task, find_device, load_variants
from seqablate.cli import collect_again
from seqablate.cli.sweep import run_sweep
from seqablate.config.codec import to_plain
from seqablate.config.compose import CONFIG_NAME, compose_config, config_folder, expand_sweep, install_schemas
from seqablate.config.schema import TrainConfig
from seqablate.errors import UsageError

if TYPE_CHECKING:
    from seqablate.training.run import Ending

# Options of Hydra that make sense here: the words that each may, or (without None) must be followed by.
OPTIONS: dict[str, tuple[str | None, ...]] = dict.fromkeys(
    ("--help", "-h", "--hydra-help", "--resolve", "--shell-completion", "-sc", "--multirun", "-m"), (None,)
)
OPTIONS |= dict.fromkeys(("--cfg", "-c"), ("job", "hydra", "all"))
OPTIONS |= dict.fromkeys(
    ("--info", "-i"), (None, "all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
)
SWEEP = ("--multirun", "-m")


def main(argv: list[str]) -> int:
    load_variants()
    install_schemas()
    options, overrides = split_words(argv)
    explaining = [word for word in options if word not in SWEEP]
    if "-sc" in options or "--shell-completion" in options:
        return call_hydra(argv)  # the words are not complete yet: nothing to check
    if len(options) > len(explaining):
        arms = expand_sweep(overrides)
        configs = [compose_arm(arm) for arm in arms]
        if explaining:
            return call_hydra(argv)
        if len({config.name for config in configs}) > 1:
            raise UsageError("name names the sweep's folder: give it one value; the runs inside are named for you")
        check_means(configs)
        return run_sweep(configs, overrides)
    config = compose_config(overrides)
    if explaining in (["--cfg"], ["-c"]) and not {"hydra", "all"} & set(argv):
        print(yaml.safe_dump(to_plain(config), sort_keys=False), end="")  # as the run folder would have it
        return 0
    if explaining:
        return call_hydra(argv)
    from seqablate.api import run_config

    return exit_code(run_config(config, ["seqablate", "train", *argv], when_ready=collect_again))


def split_words(argv: list[str]) -> tuple[list[str], list[str]]:
    """Options (without their values) and override words (UsageError for an option that is not for here)."""
    options: list[str] = []
    overrides: list[str] = []
    words = list(argv)
    while words:
        word = words.pop(0)
        name, _, value = word.partition("=")
        if name in OPTIONS:
            options.append(name)
            if not value and words and words[0] in OPTIONS[name]:
                value = words.pop(0)
            if (value or None) not in OPTIONS[name]:
                raise UsageError(f"{name} takes one of: {', '.join(filter(None, OPTIONS[name]))}")
        elif word.startswith("-"):
            raise UsageError(f"unknown option {word}: see seqablate train --help; overrides are written key=value")
        else:
            overrides.append(word)
    return options, overrides


def compose_arm(arm: list[str]) -> TrainConfig:
    """One run of a sweep (UsageError names the arm)."""
    try:
        return compose_config(arm)
    except UsageError as error:
        raise UsageError(f"in the sweep's run [{' '.join(arm)}]: {error}; nothing was started") from error


def check_means(configs: list[TrainConfig]) -> None:
    """Look for each different device and data once, so that what is missing is refused before the first run begins."""
    seen: set[str] = set()
    for config in configs:
        find_device(config.device)
        key = json.dumps([to_plain(config)["task"], config.batch_size, config.eval.size])
        if key not in seen:
            seen.add(key)
            build_task(config)


def exit_code(ending: Ending) -> int:
    """0 when the run is done, 128 + n when signal n stopped it, 1 otherwise."""
    if ending.status == "interrupted" and ending.signum is not None:
        return 128 + ending.signum
    return 0 if ending.status == "done" else 1


def call_hydra(argv: list[str]) -> int:
    """Let Hydra answer ``--help``, ``--cfg``, ``--info`` or a completion query."""
    import hydra

    @hydra.main(version_base="1.3", config_path=str(config_folder()), config_name=CONFIG_NAME)
    def nothing(config: Any) -> None:
        """Only reached if an option that explains were not to end by itself."""

    sys.argv = ["seqablate train", *argv]
    nothing()
    return 0
