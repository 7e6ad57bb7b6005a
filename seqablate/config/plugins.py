"""Variants of other packages: modules named by entry points, imported so that they register themselves.

A package that cannot be imported stops nobody who does not use it: what went wrong is said where it is missed.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points

ENTRY_POINTS = "seqablate.variants"


@cache
def load_plugins() -> tuple[str, ...]:
    """Import every module of the entry-point group ``seqablate.variants``, once a process.

    Returns:
        One line for each that could not be imported.
    """
    complaints = (_load(entry) for entry in entry_points(group=ENTRY_POINTS))
    return tuple(line for line in complaints if line)


def plugin_versions() -> dict[str, str]:
    """Version of every package that adds variants, by name: a run says what it was made with."""
    return {entry.dist.name: entry.dist.version for entry in entry_points(group=ENTRY_POINTS) if entry.dist}


def _load(entry: EntryPoint) -> str | None:
    try:
        entry.load()
    except Exception as error:  # somebody else's code: it may raise anything
        package = entry.dist.name if entry.dist else "an unknown package"
        return f"{package} ({entry.value}) could not be loaded: {type(error).__name__}: {' '.join(str(error).split())}"
    return None
