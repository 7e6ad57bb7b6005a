"""Override words -> a validated TrainConfig, or one clear line. Imports no torch."""

from __future__ import annotations

import difflib
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import (
    InterpolationKeyError,
    MissingMandatoryValue,
    OmegaConfBaseException,
    ValidationError,
)

from seqablate.config.plugins import load_plugins
from seqablate.config.registry import GROUPS, registered, variants
from seqablate.config.schema import CheckpointConfig, EvalConfig, ProbeConfig, TrainConfig
from seqablate.errors import UsageError

CONFIG_NAME = "train"


def config_folder() -> Path:
    """Where ``train.yaml`` stands: inside the installed package, or beside it in a source tree.

    Raises:
        UsageError: an incomplete installation.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "configs", package.parent / "configs"):
        if (folder / f"{CONFIG_NAME}.yaml").is_file():
            return folder
    raise UsageError(f"configs/{CONFIG_NAME}.yaml not found in or beside {package}: reinstall seqablate")


def install_schemas() -> None:
    """Tell Hydra the dataclass behind every YAML file (its ``/schema/...`` line).

    A variant without a YAML file of ours is another package's: its dataclass has the values as well.
    """
    store, ours = ConfigStore.instance(), config_folder()
    store.store(group="schema", name=CONFIG_NAME, node=TrainConfig)
    for (group, name), cls in registered().items():
        store.store(group=f"schema/{group}", name=name, node=cls)
        if not (ours / group / f"{name}.yaml").exists():
            store.store(group=group, name=name, node={"defaults": _defaults(group, name, cls)})


def _defaults(group: str, name: str, cls: type) -> list[str]:
    """What the missing YAML would begin with: the schema, and the values of the keys that it shares with ours."""
    shared = getattr(cls, "shared_values", None)
    return [f"/schema/{group}/{name}@_here_", *([f"/{shared}@_here_"] if shared else []), "_self_"]


def compose_config(overrides: list[str]) -> TrainConfig:
    """Compose and check one run's config.

    Args:
        overrides: Hydra override words, such as ``["model=gru", "optim.lr=0.003"]``.

    Raises:
        UsageError: one line saying what is wrong, where, and what would be right.
    """
    install_schemas()
    try:
        with initialize_config_dir(version_base="1.3", config_dir=str(config_folder())):
            return to_train_config(compose(CONFIG_NAME, overrides))
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise UsageError(explain(error)) from error


def to_train_config(composed: DictConfig) -> TrainConfig:
    """A composed config as dataclasses, which check themselves on the way (UsageError)."""
    _refuse_added_keys(composed)
    config: Any = OmegaConf.to_object(composed)
    return config


def expand_sweep(overrides: list[str]) -> list[list[str]]:
    """The override words of each run of a multirun, in Hydra's order (its basic sweeper does the work)."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.override_parser.overrides_parser import OverridesParser

    try:
        parsed = OverridesParser.create().parse_overrides(overrides)
        return [list(words) for batch in BasicSweeper.split_arguments(parsed, max_batch_size=None) for words in batch]
    except (HydraException, ValueError) as error:
        raise UsageError(explain(error)) from error


def explain(error: Exception) -> str:
    """One line for what Hydra or OmegaConf raised while composing."""
    cause = error.__cause__ if isinstance(error, ConfigCompositionException) and error.__cause__ else error
    key = getattr(cause, "full_key", None)
    first = str(cause).split("\n")[0]
    if isinstance(cause, MissingConfigException):
        group, _, name = str(cause.missing_cfg_file).partition("/")
        return _unknown_choice(group, name)
    if isinstance(cause, ValidationError) and key:
        return f"{_given(error, key)}: {first[0].lower()}{first[1:]}"
    if isinstance(cause, AttributeError | KeyError) and key:
        return _unknown_key(key)
    if isinstance(cause, MissingMandatoryValue):
        return f"{key} has no value: leave out the override that deletes it"
    if isinstance(cause, InterpolationKeyError):
        return f"{key}: {first}"
    if isinstance(cause, OmegaConfBaseException) and key:
        return f"{key}: {first}"
    if isinstance(cause, OverrideParseException):
        hint = "write key=value; quote a value with special characters twice, as in 'name=\"a (b)\"'"
        return f"cannot read the override {cause.override!r}: {hint}"
    if "ConfigLoader is not set" in first:
        return "glob() is not supported: name the choices, such as model=rnn,lstm"
    if "requires --multirun" in first or "Ambiguous value" in first:
        word = first.split("'")[1]
        return f"{word!r} names several values: add -m to run a sweep, or quote the value"
    if "Config group override" in first:
        return "a config group needs a name, not null: " + "; ".join(f"{g}={'|'.join(variants(g))}" for g in GROUPS)
    if "Could not override" in first:
        return _unknown_key(first.split("'")[1])
    return " ".join(str(cause).split())


def _given(error: Exception, key: str) -> str:
    """``key=value`` as the user wrote it, where Hydra quotes it; else the key alone."""
    prefix = "Error merging override "
    first = str(error).split("\n")[0]
    return first.removeprefix(prefix) if first.startswith(prefix) else key


def _unknown_choice(group: str, name: str) -> str:
    if group not in GROUPS:
        return f"no config named {group}/{name}" if name else f"no config named {group}"
    close = difflib.get_close_matches(name, variants(group), n=1)
    hint = f"did you mean {group}={close[0]}? " if close else ""
    broken = "".join(f"; {complaint}" for complaint in load_plugins())
    return f"{group}={name}: {hint}choose from {', '.join(variants(group))}{broken}"


def _unknown_key(key: str) -> str:
    group, _, rest = key.partition(".")
    sections = [("probe", ProbeConfig), ("eval", EvalConfig), ("checkpoint", CheckpointConfig)]
    sections += [(g, cls) for (g, _), cls in registered().items()]
    known = [f.name for f in fields(TrainConfig)] + [f"{g}.{f.name}" for g, cls in sections for f in fields(cls)]
    close = [k for k in difflib.get_close_matches(key, dict.fromkeys(known), n=3, cutoff=0.5) if k != key]
    if key in known:
        owners = sorted(
            n for (g, n), cls in registered().items() if g == group and rest in {f.name for f in fields(cls)}
        )
        return f"the chosen {group} has no key {key}: it belongs to {group}={' or '.join(owners)}"
    hint = f"did you mean {' or '.join(close)}?" if close else "see seqablate train --help for the keys"
    return f"unknown key {key}: {hint}"


def _refuse_added_keys(composed: DictConfig) -> None:
    """Refuse ``+key=...``: Hydra adds it even to a typed config, where it would be lost without a word."""
    nodes: list[tuple[str, Any]] = [("", composed)]
    nodes += [(f"{key!s}.", composed._get_node(key)) for key in composed]
    for path, node in nodes:
        if isinstance(node, DictConfig) and (cls := OmegaConf.get_type(node)) and is_dataclass(cls):
            added = sorted(set(map(str, node)) - {f.name for f in fields(cls)})
            if added:
                raise UsageError(_unknown_key(path + added[0]))
