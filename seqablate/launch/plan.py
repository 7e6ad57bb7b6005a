"""Which runs a sweep consists of: composed and checked before any of them begins, and where each is made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seqablate.assemble import build_task, find_device
from seqablate.config.codec import to_plain
from seqablate.config.compose import compose_config
from seqablate.config.overrides import expand_sweep
from seqablate.config.schema import TrainConfig
from seqablate.errors import UsageError, shorten


@dataclass(frozen=True, slots=True)
class Arm:
    """One run of a sweep: its override words, and what they compose to."""

    words: list[str]
    config: TrainConfig


def plan_sweep(words: Sequence[str]) -> list[Arm]:
    """Every run that the words of a sweep ask for.

    Raises:
        UsageError: a run that cannot be composed (named by its words), or runs that disagree about their folder.
    """
    arms = [Arm(arm, _compose(arm)) for arm in expand_sweep(list(words))]
    for key in ("name", "output_dir"):
        if len({getattr(arm.config, key) for arm in arms}) > 1:
            raise UsageError(f"{key}: give it one value; it names the sweep's folder, and the runs inside are named")
    return arms


def _compose(words: list[str]) -> TrainConfig:
    try:
        return compose_config(words)
    except UsageError as error:
        raise UsageError(f"{error} (in the sweep's run {shorten(' '.join(words))!r}; nothing was started)") from error


def check_means(arms: Sequence[Arm]) -> None:
    """Look for each different device and data once, so that what is missing is refused before the first run begins."""
    seen: set[str] = set()
    for config in (arm.config for arm in arms):
        find_device(config.device)
        key = json.dumps([to_plain(config)["task"], config.batch_size, config.eval.size])
        if key not in seen:
            seen.add(key)
            build_task(config)


def place_arm(number: int, config: TrainConfig, folder: Path) -> None:
    """Say where an arm's run folder is made."""
    config.output_dir, config.name = str(folder), arm_name(number, config)


def arm_name(number: int, config: TrainConfig) -> str:
    """``007-adding-lstm-norm-s3``: short, sorted as started, unique by its number."""
    plain = to_plain(config)
    return "-".join([f"{number:03d}", *(plain[g]["name"] for g in ("task", "model", "clip")), f"s{config.seed}"])
