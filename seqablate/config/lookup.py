"""Which keys there are, what each takes, and what is said of one that does not exist. Imports no torch.

A key is a field of :class:`TrainConfig` (``steps``), of one of its sections (``probe.every``), or of the variant that
a group has chosen (``model.hidden_size``, ``diagnostic.lag.every``).
"""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterable
from dataclasses import is_dataclass
from enum import Enum
from typing import Any, Union, get_args, get_origin

from seqablate.config.keys import hints
from seqablate.config.registry import (
    GROUPS,
    SEVERAL,
    Choices,
    each_choice,
    registered,
    section,
    variant_class,
    variants,
)
from seqablate.config.schema import TrainConfig
from seqablate.errors import UsageError, shorten

SECTIONS: dict[str, Any] = {name: hint for name, hint in hints(TrainConfig).items() if is_dataclass(hint)}
BOOLEAN = ("true", "false")
NUMBERS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def run_keys() -> dict[str, Any]:
    """The type of every key that no group holds: ``steps``, ``probe.every``, ..."""
    top = {key: hint for key, hint in hints(TrainConfig).items() if key not in (*GROUPS, *SECTIONS)}
    return top | {f"{part}.{key}": hint for part, cls in SECTIONS.items() for key, hint in hints(cls).items()}


def variant_keys(group: str, name: str) -> dict[str, Any]:
    """The type of every key of one variant: ``model.hidden_size``, ..."""
    return {f"{section(group, name)}.{key}": hint for key, hint in hints(variant_class(group, name)).items()}


def keys_of(chosen: Choices) -> dict[str, Any]:
    """The type of every key of a run whose groups have chosen these variants."""
    found = run_keys()
    for group, name in each_choice(chosen):
        found |= variant_keys(group, name)
    return found


def choices(hint: Any) -> list[str]:
    """The values that a key of this type can take, where they can be listed."""
    if hint is bool:
        return list(BOOLEAN)
    kinds = [kind for kind in (hint, *get_args(hint)) if isinstance(kind, type) and issubclass(kind, Enum)]
    return [member.name for member in kinds[0]] if kinds else []


def takes(hint: Any) -> str:
    """What a key of this type takes, in words."""
    options, optional = _options(hint)
    kind = options[0] if options else hint
    if get_origin(kind) in (list, tuple):
        words = f"a list such as [{'0.9,0.99' if float in get_args(kind) else '64,32'}]"
    else:
        words = NUMBERS.get(kind) or (f"one of {', '.join(choices(kind))}" if choices(kind) else "a value")
    return f"{words}, or null" if optional else words


def fits(value: Any, hint: Any) -> bool:
    """Whether a value from the command line can be taken as it is; a type that is not known here takes anything."""
    options, optional = _options(hint)
    if value is None:
        return optional or hint is Any
    return any(_fits_one(value, option) for option in options)


def _options(hint: Any) -> tuple[list[Any], bool]:
    """The types of a union without ``None``, and whether it had one."""
    parts = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    return [part for part in parts if part is not types.NoneType], types.NoneType in parts


def _fits_one(value: Any, kind: Any) -> bool:
    if get_origin(kind) in (list, tuple):
        inner = next((part for part in get_args(kind) if part is not Ellipsis), Any)
        return isinstance(value, list) and all(fits(entry, inner) for entry in value)
    if kind is bool:
        return isinstance(value, bool)
    if kind in (int, float):
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return isinstance(value, int) if kind is int else isinstance(value, float) or abs(value) < 10**300
    if kind is str:
        return isinstance(value, str | int | float) and not isinstance(value, bool)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return value in kind.__members__
    return True


def refuse_unknown(key: str, chosen: Choices, known: Iterable[str]) -> None:
    """Say that there is no such key (UsageError), and which one may have been meant.

    Args:
        key: as written.
        chosen: the variants of each group.
        known: what could be written here instead.
    """
    group = key.partition(".")[0]
    owners = sorted(n for g, n in registered() if g == group and key in variant_keys(g, n))
    if owners and group in SEVERAL:
        raise UsageError(f"{key}: {group}={owners[0]} is not chosen; add +{group}={owners[0]}")
    if owners:
        where = " or ".join(f"{group}={owner}" for owner in owners)
        raise UsageError(f"{group}={chosen[group][0]} has no key {key}: it belongs to {where}")
    names = list(known)
    close = [name for name in names if name.rpartition(".")[2] == key]  # its group was left out
    close = close or difflib.get_close_matches(key, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}?" if close else "see seqablate train --help for the keys"
    raise UsageError(f"unknown key {shorten(key) or repr(key)}: {hint}")


def refuse_choice(group: str, given: str, broken: tuple[str, ...] = ()) -> None:
    """Say that a group has no such variant (UsageError), and which there are.

    Args:
        group: such as ``model``.
        given: what was asked for, as written.
        broken: what is known of packages that could not be loaded.
    """
    close = difflib.get_close_matches(given, variants(group), n=1)
    hint = f"did you mean {group}={close[0]}? " if close else ""
    more = "".join(f"; {complaint}" for complaint in broken)
    raise UsageError(f"{group}={shorten(given)}: {hint}choose from {', '.join(variants(group))}{more}")
