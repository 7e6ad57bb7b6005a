"""Override words -> a validated TrainConfig, or one clear line. Imports no torch.

Hydra reads the words and composes the chosen variants (:func:`_composed`, once for each choice). Every value is then
checked against its key's type and set here, so that a message can name the word that was wrong.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from seqablate.config.flat import flat_config
from seqablate.config.lookup import SECTIONS, fits, keys_of, refuse_choice, refuse_unknown, takes
from seqablate.config.overrides import read_words
from seqablate.config.plugins import contested, load_plugins
from seqablate.config.registry import GROUPS, SEVERAL, Choices, each_choice, section, variant_class, variants
from seqablate.config.schema import TrainConfig
from seqablate.config.sizes import refuse_too_large
from seqablate.errors import UsageError, shorten

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

CONFIG_NAME = "train"
SWEEP_NAME = "sweep"  # what a sweep as a whole is told


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


def install_schemas(chosen: Choices) -> None:
    """Tell Hydra the dataclass behind the YAML file of each of these variants (its ``/schema/...`` line).

    A variant without a YAML file of ours is another package's: its dataclass has the values as well.
    """
    from hydra.core.config_store import ConfigStore

    store, ours = ConfigStore.instance(), config_folder()
    store.store(group="schema", name=CONFIG_NAME, node=TrainConfig)
    for group, name in each_choice(chosen):
        cls = variant_class(group, name)
        store.store(group=f"schema/{group}", name=name, node=cls)
        if not (ours / group / f"{name}.yaml").exists():
            values = {"defaults": _defaults(group, name, cls)}
            store.store(group=group, name=name, node=values, package=section(group, name))


def _defaults(group: str, name: str, cls: type) -> list[str]:
    """What the missing YAML would begin with: the schema, and the values of the keys that it shares with ours."""
    shared = getattr(cls, "shared_values", None)
    return [f"/schema/{group}/{name}@_here_", *([f"/{shared}@_here_"] if shared else []), "_self_"]


def compose_config(words: list[str]) -> TrainConfig:
    """Compose and check one run's config.

    Args:
        words: override words, such as ``["model=gru", "optim.lr=0.003"]``.

    Raises:
        UsageError: one line saying what is wrong, where, and what would be right.
    """
    overrides = read_words(words)
    composed = compose_values(overrides)
    try:
        config: Any = OmegaConf.to_object(composed)
    except (OmegaConfBaseException, RecursionError) as error:
        key = getattr(error, "full_key", None) or "a value"
        raise UsageError(f"{key}: cannot be resolved; it needs a value that stands for itself") from error
    refuse_too_large(config)
    return config


def compose_values(overrides: list[Override]) -> DictConfig:
    """The keys and values of a run, every one of its key's type (UsageError), not yet checked together."""
    chosen = choices_of(overrides)
    keys = keys_of(chosen)
    composed = copy.deepcopy(_composed(tuple(chosen.items())))
    for override in overrides:
        if override.key_or_group not in GROUPS:
            _set(composed, override, keys, chosen)
    for override in overrides:
        if "${" in str(override.input_line):
            _resolve(composed, override, keys)
    return composed


def choices_of(overrides: list[Override]) -> Choices:
    """The variants of each group: the default, or what the last word for it says (UsageError if one does not exist).

    ``+diagnostic=NAME`` adds to what is chosen.
    """
    chosen = dict(default_choices())
    for override in overrides:
        group = override.key_or_group
        if group in GROUPS:
            before = chosen[group] if override.is_add() else ()
            chosen[group] = tuple(dict.fromkeys([*before, *_chosen(group, override)]))
    for group, name in each_choice(chosen):
        if complaint := contested(group, name):
            raise UsageError(complaint)
    return chosen


def _chosen(group: str, override: Override) -> list[str]:
    """The variants that a word names: one, or a list of them where a run may have several."""
    value: Any = override.value()
    names = value if isinstance(value, list) and group in SEVERAL else [value]
    for name in names:
        if not isinstance(name, str) or name not in variants(group):
            given = str(name) if isinstance(value, list) else str(override.input_line).partition("=")[2]
            refuse_choice(group, given, load_plugins())
    return names


def yaml_values(name: str) -> dict[str, Any]:
    """What one of our YAML files sets: ``train``, ``launch/slurm``; nothing if there is no such file."""
    import yaml

    file = config_folder() / f"{name}.yaml"
    values: dict[str, Any] = (yaml.safe_load(file.read_text()) if file.is_file() else None) or {}
    return values


@cache
def default_choices() -> Choices:
    """The variants that each group has where nothing is said, as ``train.yaml`` names them."""
    entries = [entry for entry in yaml_values(CONFIG_NAME)["defaults"] if isinstance(entry, dict)]
    return {
        group: tuple(names) if isinstance(names, list) else (names,)
        for entry in entries
        for group, names in entry.items()
        if group in GROUPS
    }


@cache
def sweep_keys() -> tuple[str, ...]:
    """The whole name of every option of a sweep that no launcher holds."""
    return tuple(flat_config(yaml_values(SWEEP_NAME)))


@cache
def _composed(chosen: tuple[tuple[str, tuple[str, ...]], ...]) -> DictConfig:
    """The values of the YAML files (or a package's dataclasses) of these variants."""
    from hydra import compose, initialize_config_dir

    install_schemas(dict(chosen))
    with initialize_config_dir(version_base="1.3", config_dir=str(config_folder())):
        return compose(CONFIG_NAME, choice_words(dict(chosen)))


def choice_words(chosen: Choices) -> list[str]:
    """The override words that choose these variants."""
    return [
        f"{group}=[{','.join(names)}]" if group in SEVERAL else f"{group}={names[0]}" for group, names in chosen.items()
    ]


def _set(composed: DictConfig, override: Override, keys: dict[str, Any], chosen: Choices) -> None:
    """Give a key of a run the value that its word has, or the name of another key whose value it takes."""
    known = (*GROUPS, *SECTIONS, *keys, *sweep_keys())
    check_key(override, keys, SECTIONS, chosen, known)
    value: Any = override.value()
    if isinstance(value, str) and "${" in value:
        OmegaConf.update(composed, override.key_or_group, value)
    else:
        set_value(composed, override, keys[override.key_or_group])


def check_key(
    override: Override, keys: Collection[str], sections: Collection[str], chosen: Choices, known: Iterable[str]
) -> None:
    """Refuse a word whose key cannot be set (UsageError).

    Args:
        override: the word.
        keys: those that can be set.
        sections: what holds several of them.
        chosen: the variants of each group.
        known: what an unknown key may have been meant for.
    """
    key, word = override.key_or_group, shorten(override.input_line)
    if key in sections:
        first = next(name for name in keys if name.startswith(f"{key}."))
        raise UsageError(f"{word}: a group of keys; write {first}=... (one word for each key)")
    if key not in keys:
        refuse_unknown(key, chosen, known)
    if override.is_add():
        raise UsageError(f"{word}: write {word.lstrip('+')}")


def set_value(values: DictConfig, override: Override, hint: Any) -> None:
    """Give a key the value that its word has (UsageError for one that is not of the key's type)."""
    key, word, value = override.key_or_group, shorten(override.input_line), override.value()
    if not fits(value, hint) or value == "???":
        raise UsageError(f"{word}: must be {takes(hint)}")
    if hint in (str, str | None) and isinstance(value, int | float):
        value = str(override.input_line).partition("=")[2].strip()  # name=007 is not 7
    try:
        OmegaConf.update(values, key, value)
    except OmegaConfBaseException as error:
        raise UsageError(f"{word}: must be {takes(hint)}") from error


def _resolve(composed: DictConfig, override: Override, keys: dict[str, Any]) -> None:
    """Replace an interpolation such as ``${steps}`` by its value (UsageError if that cannot be done)."""
    key, word = override.key_or_group, shorten(override.input_line)
    try:
        value = OmegaConf.select(composed, key, throw_on_missing=True, throw_on_resolution_failure=True)
    except (OmegaConfBaseException, RecursionError) as error:
        raise UsageError(
            f"{word}: cannot be resolved: what it names does not exist, is no value of this key, or is itself"
        ) from error
    if OmegaConf.is_config(value):
        value = OmegaConf.to_container(value, resolve=True)
    if not fits(getattr(value, "name", value) if not isinstance(value, str) else value, keys[key]):
        raise UsageError(f"{word}: must be {takes(keys[key])}")
    OmegaConf.update(composed, key, value)
