"""Open registration of variants: a dataclass with ``build(...)`` announces itself under a config group.

A new variant is one file (the dataclass) and one small YAML (its values). Nothing here knows which variants exist.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, TypeVar


class Group(NamedTuple):
    """Variants of one kind.

    Attributes:
        room: the folder of seqablate that holds their files.
        several: whether a run has any number of them, each with keys of its own, instead of exactly one.
    """

    room: str
    several: bool = False


GROUPS = {
    "model": Group("models"),
    "task": Group("tasks"),
    "clip": Group("clip"),
    "regularizer": Group("regularizer"),
    "optim": Group("optim"),
    "curriculum": Group("curriculum"),
    "schedule": Group("schedule"),
    "diagnostic": Group("diagnostics", several=True),
}
SWEEP_GROUPS = {"launch": Group("launch")}  # chosen for a sweep as a whole; its runs know nothing of it
ALL_GROUPS = {**GROUPS, **SWEEP_GROUPS}
SEVERAL = tuple(name for name, group in GROUPS.items() if group.several)
Choices = Mapping[str, tuple[str, ...]]  # group -> names of the chosen variants: one, or any number of SEVERAL
T = TypeVar("T")
_classes: dict[tuple[str, str], type] = {}


class NameTaken(ValueError):
    """A variant's name is already that of another one."""

    def __init__(self, group: str, name: str) -> None:
        super().__init__(f"{group}={name} is already registered by {_classes[group, name].__module__}")
        self.group, self.name = group, name


def variant(group: str, name: str) -> Callable[[type[T]], type[T]]:
    """Class decorator: ``model=lstm`` on the command line means the dataclass under ``@variant("model", "lstm")``.

    Raises:
        ValueError: an unknown group; NameTaken: a name that is already another variant's.
    """
    if group not in ALL_GROUPS:
        raise ValueError(f"unknown config group {group!r}: one of {', '.join(ALL_GROUPS)}")

    def register(cls: type[T]) -> type[T]:
        if (group, name) in _classes:
            raise NameTaken(group, name)
        _classes[group, name] = cls
        return cls

    return register


def variant_class(group: str, name: str) -> type:
    """The dataclass registered as ``group=name`` (KeyError if there is none)."""
    return _classes[group, name]


def variant_name(config: object) -> str:
    """The name under which a variant's dataclass (or an instance of it) was registered."""
    cls = config if isinstance(config, type) else type(config)
    return next(name for (_, name), registered in _classes.items() if registered is cls)


def variants(group: str) -> list[str]:
    """Names registered in a group, sorted."""
    return sorted(name for g, name in _classes if g == group)


def section(group: str, name: str) -> str:
    """Where a variant's keys stand in the config: ``model``, ``diagnostic.lag``."""
    return f"{group}.{name}" if group in SEVERAL else group


def each_choice(chosen: Choices) -> Iterator[tuple[str, str]]:
    """Group and name of every chosen variant."""
    return ((group, name) for group, names in chosen.items() for name in names)


def registered() -> dict[tuple[str, str], type]:
    """Every registered variant by (group, name)."""
    return dict(_classes)


def keep(variants: dict[tuple[str, str], type]) -> None:
    """Forget every variant but these."""
    for key in _classes.keys() - variants.keys():
        del _classes[key]
