"""Variants of other packages: modules named by entry points, imported so that they register themselves.

A package that cannot be loaded stops nobody who does not use it: it is passed over whole, and named.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from seqablate.config.registry import NameTaken, keep, registered
from seqablate.errors import shorten

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

ENTRY_POINTS = "seqablate.variants"
_contested: dict[tuple[str, str], str] = {}


@cache
def load_plugins() -> tuple[str, ...]:
    """Import every module of the entry-point group ``seqablate.variants``, once a process.

    Returns:
        One line for each that is passed over.
    """
    complaints = (_load(entry) for entry in _entries())
    return tuple(line for line in complaints if line)


def plugin_versions() -> dict[str, str]:
    """Version of every package that adds variants, by name: a run says what it was made with."""
    return {entry.dist.name: entry.dist.version for entry in _entries() if entry.dist}


def plugin_of(cls: type) -> str | None:
    """The package that added a variant, None for our own."""
    for entry in _entries():
        if entry.dist and (cls.__module__ == entry.module or cls.__module__.startswith(f"{entry.module}.")):
            return entry.dist.name
    return None if cls.__module__.startswith("seqablate.") else cls.__module__


@cache
def _entries() -> tuple[EntryPoint, ...]:
    """What installed packages name, looked for once: reading the metadata of all of them takes milliseconds."""
    from importlib.metadata import entry_points  # a quarter of the start of `seqablate show`, which rarely needs it

    return tuple(entry_points(group=ENTRY_POINTS))


def contested(group: str, name: str) -> str | None:
    """A line if another package claims a name that is taken, so that nobody can know which of the two is meant."""
    return _contested.get((group, name))


def _load(entry: EntryPoint) -> str | None:
    """Import one module; what it registered is forgotten if it cannot be imported to its end."""
    package = entry.dist.name if entry.dist else "an unknown package"
    before = registered()
    try:
        entry.load()
    except NameTaken as error:
        keep(before)
        line = f"{package} ({entry.value}) is passed over: {shorten(error, 200)}; rename its variant, or uninstall it"
        _contested[error.group, error.name] = line
        return line
    except (Exception, SystemExit) as error:  # somebody else's code: it may raise anything, or ask to exit
        keep(before)
        what = "it exits when it is imported" if isinstance(error, SystemExit) else shorten(error, 150)
        return f"{package} ({entry.value}) could not be loaded: {type(error).__name__}: {what}"
    return None
