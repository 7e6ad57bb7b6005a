"""What there is to choose, described by the declarations themselves: help, listings and documents are made of it.

A variant's description is the first line of its dataclass's docstring; ``reference`` and ``restrictions`` are class
attributes. A key's is that of :func:`seqablate.config.keys.key`. Values are those that composing gives.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from inspect import getdoc
from typing import Any

from omegaconf import OmegaConf

from seqablate.config.codec import plain_value
from seqablate.config.compose import compose_values
from seqablate.config.flat import shown
from seqablate.config.keys import declaration, hints
from seqablate.config.lookup import SECTIONS, choices, run_keys
from seqablate.config.overrides import read_words
from seqablate.config.plugins import plugin_of
from seqablate.config.registry import section, variant_class, variants
from seqablate.config.schema import TrainConfig


@dataclass(frozen=True, slots=True)
class VariantEntry:
    """One variant of a group; ``package`` is the one that adds it, None for our own."""

    group: str
    name: str
    summary: str
    reference: str
    restrictions: str
    package: str | None


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """One key by its whole name: the value it has, those it can take where they can be listed, and its description."""

    name: str
    value: str
    choices: tuple[str, ...]
    text: str


def variant_entries(group: str) -> list[VariantEntry]:
    """Every variant of a group, by name."""
    return [variant_entry(group, name) for name in variants(group)]


def variant_entry(group: str, name: str) -> VariantEntry:
    """One variant, as its dataclass describes it."""
    cls = variant_class(group, name)
    summary = (getdoc(cls) or "").split("\n")[0]
    reference, restrictions = (getattr(cls, attribute, "") for attribute in ("reference", "restrictions"))
    return VariantEntry(group, name, summary, reference, restrictions, plugin_of(cls))


def variant_key_entries(group: str, name: str, values: Any = None) -> list[KeyEntry]:
    """The keys of one variant.

    Args:
        group, name: the variant.
        values: a composed config in which it is chosen; None: its defaults.
    """
    if values is None:
        values = compose_values(read_words([f"{group}={name}"]))
    place = section(group, name)
    return list(key_entries(variant_class(group, name), f"{place}.", OmegaConf.select(values, place)))


def run_key_entries(values: Any = None) -> list[KeyEntry]:
    """The keys that no group holds, with the values of a composed config; None: their defaults."""
    values = compose_values([]) if values is None else values
    parts = [("", TrainConfig, values), *((f"{name}.", cls, values[name]) for name, cls in SECTIONS.items())]
    found = (entry for prefix, cls, part in parts for entry in key_entries(cls, prefix, part))
    return [entry for entry in found if entry.name in run_keys()]


def key_entries(cls: type, prefix: str, values: Any) -> Iterator[KeyEntry]:
    """The keys of a dataclass whose values stand in ``values``."""
    types = hints(cls)
    for f in fields(cls):
        value = OmegaConf.select(values, f.name)
        plain = list(value) if OmegaConf.is_list(value) else plain_value(value)
        yield KeyEntry(prefix + f.name, shown(plain), tuple(choices(types[f.name])), declaration(f).text)
