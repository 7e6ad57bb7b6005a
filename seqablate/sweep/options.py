"""What a sweep as a whole is told: how many workers it has and where, and what becomes of runs that fail.

    jobs=2 launch=slurm launch.partition=gpu sweep.stale=rerun

None of this belongs to a run. Types, checks and descriptions are declared as those of a run's keys are; the
values where nothing is said stand in ``configs/sweep.yaml`` and ``configs/launch/NAME.yaml``. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from seqablate.assemble import load_variants
from seqablate.config.catalogue import KeyEntry, key_entries
from seqablate.config.checks import at_least, positive
from seqablate.config.compose import SWEEP_NAME, check_key, set_value, yaml_values
from seqablate.config.keys import check_config, hints, key
from seqablate.config.lookup import refuse_choice, variant_keys
from seqablate.config.overrides import is_drawn, is_of_sweep, read_word
from seqablate.config.plugins import contested, load_plugins
from seqablate.config.registry import SWEEP_GROUPS, variant_class, variant_name, variants
from seqablate.config.schema import LARGEST_SEED
from seqablate.errors import UsageError, shorten

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

AUTO = "auto"
MOST_JOBS = 10_000
SHORTEST_LEASE = 10  # seconds; a claim is renewed several times in it, over a file system that may be slow


class Stale(StrEnum):
    """What is done about finished runs that other code, or other versions of a library, computed."""

    refuse = "refuse"
    rerun = "rerun"
    keep = "keep"


class Sampler(StrEnum):
    """How values are drawn from a distribution."""

    sobol = "sobol"
    random = "random"
    optuna = "optuna"


def _jobs(key: str, value: str) -> None:
    if value != AUTO and not (value.isascii() and value.isdecimal() and 1 <= int(value[:9]) <= MOST_JOBS):
        raise UsageError(f"{key}={shorten(value)}: must be {AUTO}, or a whole number from 1 to {MOST_JOBS:,}")


def _installed(key: str, value: Sampler) -> None:
    if value is Sampler.optuna and find_spec("optuna") is None:
        raise UsageError(f"{key}={value}: needs Optuna; pip install 'seqablate[optuna]'")


@dataclass(kw_only=True, slots=True)
class SweepKeys:
    """How a sweep is carried out."""

    retry_failed: bool = key("true: try runs that have failed once more")
    fail_fast: bool = key("true: end the sweep once a run has failed; those that go on are saved")
    timeout: float | None = key(positive, "seconds that one run may take; null: as many as it needs")
    skip_invalid: bool = key("true: leave out runs that cannot be composed, and name them; false: refuse the sweep")
    stale: Stale = key("of runs that other code or versions computed: refuse the sweep, run them again, keep them")
    samples: int | None = key(
        at_least(1), "values for each key with a distribution, such as optim.lr=loguniform(1e-4,1e-1)"
    )
    sampler: Sampler = key(
        _installed, "sobol: evenly spread points; random: independent ones; optuna: the first 10 as sobol, then learned"
    )
    sample_seed: int = key(at_least(0, LARGEST_SEED), "of the values that are drawn")
    lease: float = key(
        at_least(SHORTEST_LEASE), "seconds without a renewal after which another machine's claim may be taken over"
    )


@dataclass(kw_only=True, slots=True)
class SweepOptions:
    """Everything that a sweep as a whole is told. ``launch`` is the dataclass of the chosen launcher."""

    jobs: str = key(_jobs, "worker processes; auto: one for each core")
    launch: Any = key("where the workers of a sweep are started")
    sweep: SweepKeys = key("how a sweep is carried out")

    def __post_init__(self) -> None:
        check_config(self)

    @property
    def workers(self) -> int | None:
        """How many workers are asked for; None: as many as there are cores."""
        return None if self.jobs == AUTO else int(self.jobs)

    @property
    def sampling(self) -> tuple[str, ...]:
        """The words that decide which values are drawn, and so which runs there are; none if nothing is drawn."""
        told = {name: getattr(self.sweep, name) for name in ("samples", "sampler", "sample_seed")}
        return tuple(f"sweep.{name}={value}" for name, value in told.items()) if self.sweep.samples else ()


SECTIONS = {"sweep": SweepKeys}


def split_options(words: Sequence[str]) -> tuple[SweepOptions, list[str]]:
    """What a sweep as a whole is told by some of the words, and all other words.

    Raises:
        UsageError: one line about a word that cannot be taken.
    """
    mine, others = divide(words)
    options: Any = OmegaConf.to_object(option_values(mine))
    return options, others


def divide(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words about a sweep as a whole, not yet read, and all others."""
    return [word for word in words if is_of_sweep(word)], [word for word in words if not is_of_sweep(word)]


def option_values(words: Sequence[str]) -> DictConfig:
    """The value of every option, each of its key's type (UsageError for a word of another), not yet checked."""
    load_variants(SWEEP_GROUPS)
    overrides = [_read(word) for word in words]
    launcher = _launcher(overrides)
    values = _defaults(launcher)
    keys = option_keys(launcher)
    for override in overrides:
        if override.key_or_group != "launch":
            check_key(override, keys, SECTIONS, {"launch": (launcher,)}, ("launch", *SECTIONS, *keys))
            set_value(values, override, keys[override.key_or_group])
    return values


def option_keys(launcher: str) -> dict[str, Any]:
    """The type of every option by its whole name; of ``launch.`` those of this launcher."""
    top = {name: hint for name, hint in hints(SweepOptions).items() if name not in ("launch", *SECTIONS)}
    inner = {f"{part}.{name}": hint for part, cls in SECTIONS.items() for name, hint in hints(cls).items()}
    return top | inner | variant_keys("launch", launcher)


def launcher_name(values: DictConfig) -> str:
    """The launcher whose keys stand in these values."""
    cls: Any = OmegaConf.get_type(values, "launch")
    return variant_name(cls)


def option_entries(values: DictConfig) -> list[KeyEntry]:
    """The options that no launcher holds, with these values."""
    parts = [("", SweepOptions, values), *((f"{name}.", cls, values[name]) for name, cls in SECTIONS.items())]
    found = (entry for prefix, cls, part in parts for entry in key_entries(cls, prefix, part))
    return [entry for entry in found if entry.name not in ("launch", *SECTIONS)]


def _read(word: str) -> Override:
    override = None if is_drawn(word) else read_word(word)
    if override is None or override.is_sweep_override():
        raise UsageError(f"{shorten(word)}: cannot be swept: it is about the sweep as a whole; give it one value")
    if override.is_add() or override.is_force_add():
        raise UsageError(f"{shorten(word)}: write {shorten(word.lstrip('+'))}")
    if "${" in word:
        raise UsageError(f"{shorten(word)}: write the value itself: nothing else can be named here")
    return override


def _launcher(overrides: Sequence[Override]) -> str:
    """The launcher that the last word for it names, else the default (UsageError if there is no such launcher)."""
    name = yaml_values(SWEEP_NAME)["launch"]
    for override in overrides:
        if override.key_or_group == "launch":
            name = override.value()
            if not isinstance(name, str) or name not in variants("launch"):
                refuse_choice("launch", str(override.input_line).partition("=")[2], load_plugins())
    if complaint := contested("launch", name):
        raise UsageError(complaint)
    return str(name)


def _defaults(launcher: str) -> DictConfig:
    """The values of the YAML files; those of another package's launcher are its dataclass's own."""
    chosen = OmegaConf.merge(OmegaConf.structured(variant_class("launch", launcher)), yaml_values(f"launch/{launcher}"))
    values = OmegaConf.merge(OmegaConf.structured(SweepOptions), yaml_values(SWEEP_NAME), {"launch": chosen})
    assert isinstance(values, DictConfig)
    return values
