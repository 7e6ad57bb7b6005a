"""YAML from a stranger: tables of words, numbers and lists. No aliases, no tags, nothing resolved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seqablate.errors import UsageError
from seqablate.record.files import read_bytes

LARGEST = 1 << 20  # bytes
DEEPEST = 10
VALUES = (str, int, float, bool, type(None))


def read_yaml(path: Path) -> dict[str, Any]:
    """A table from a YAML file.

    Raises:
        UsageError: missing, damaged, or more than plain data.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # seven times quicker: `show` reads a thousand of them
    try:
        content = read_bytes(path, LARGEST).decode()
        if wrong := _not_plain(yaml.parse(content, Loader=loader)):
            raise UsageError(f"{path}: {wrong}")
        table = yaml.load(content, Loader=loader)
        if not isinstance(table, dict):
            raise UsageError(f"{path} is damaged: it holds no table")
        _check_values(path, table)
    except (yaml.YAMLError, ValueError) as error:
        raise UsageError(f"{path} is damaged") from error
    return table


def _not_plain(events: Any) -> str | None:
    """What a file has that plain data do not need; found before anything is built from it."""
    import yaml

    depth = 0
    for event in events:
        if getattr(event, "anchor", None):
            return "YAML aliases and anchors are not accepted in a run folder"
        if getattr(event, "tag", None):
            return "YAML tags are not accepted in a run folder"
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            return f"nested more than {DEEPEST} levels deep"
    return None


def _check_values(path: Path, value: Any, key: str = "") -> None:
    if isinstance(value, dict):
        for name, part in value.items():
            if not isinstance(name, str):
                raise UsageError(f"{path} is damaged: the key {name!r} is no word")
            _check_values(path, part, f"{key}.{name}".lstrip("."))
    elif isinstance(value, list):
        for part in value:
            _check_values(path, part, key)
    elif not isinstance(value, VALUES):
        raise UsageError(f"{path} is damaged: {key} is neither text nor a number")
