"""YAML from a stranger: tables of words, numbers and lists. No aliases, no tags, nothing resolved.

Values are made straight from what the parser finds: `show` reads a thousand of these files.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from seqablate.errors import UsageError
from seqablate.record.files import read_bytes

LARGEST = 1 << 20  # bytes
DEEPEST = 10
VALUES = (str, int, float, bool, type(None))


class _NotPlain(Exception):
    """What a file has that plain data do not need; the message goes on after the file's name."""


def read_yaml(path: Path) -> dict[str, Any]:
    """A table from a YAML file.

    Raises:
        UsageError: missing, damaged, or more than plain data.
    """
    import yaml

    try:
        content = read_bytes(path, LARGEST).decode()
        events = yaml.parse(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        table = _only_document(events)
    except _NotPlain as error:
        raise UsageError(f"{path}{error}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise UsageError(f"{path} is damaged") from error
    if not isinstance(table, dict):
        raise UsageError(f"{path} is damaged: it holds no table")
    return table


def _only_document(events: Iterator[Any]) -> Any:
    import yaml

    next(events)  # the stream begins
    if isinstance(next(events), yaml.StreamEndEvent):
        return None
    table = _value(events, next(events), "", DEEPEST)
    next(events)  # the document ends
    if not isinstance(next(events), yaml.StreamEndEvent):
        raise _NotPlain(" is damaged: it holds more than one document")
    return table


def _value(events: Iterator[Any], first: Any, key: str, levels: int) -> Any:
    """The value that begins with this event, which may be nested so many levels deep; ``key`` leads to it."""
    import yaml

    if getattr(first, "anchor", None):
        raise _NotPlain(": YAML aliases and anchors are not accepted")
    if first.tag:
        raise _NotPlain(": YAML tags are not accepted")
    if isinstance(first, yaml.ScalarEvent):
        value = _plain(first.value) if first.implicit[0] else first.value
        if not isinstance(value, VALUES):
            raise _NotPlain(f" is damaged: {key} is neither text nor a number")
        return value
    if levels == 0:
        raise _NotPlain(f": nested more than {DEEPEST} levels deep")
    if isinstance(first, yaml.SequenceStartEvent):
        return [_value(events, event, key, levels - 1) for event in _until(yaml.SequenceEndEvent, events)]
    table = {}
    for event in _until(yaml.MappingEndEvent, events):
        name = _value(events, event, key, 0)
        if not isinstance(name, str):
            raise _NotPlain(f" is damaged: the key {name!r} is no word")
        if name in table:
            raise _NotPlain(f" is damaged: the key {name!r} stands twice in one table")
        table[name] = _value(events, next(events), f"{key}.{name}".lstrip("."), levels - 1)
    return table


def _until(end: type, events: Iterator[Any]) -> Iterator[Any]:
    """The events at this level up to the one that ends it."""
    while not isinstance(event := next(events), end):
        yield event


@lru_cache(maxsize=10_000)
def _plain(text: str) -> Any:
    """What words without quotes stand for."""
    import yaml

    loader = yaml.SafeLoader("")
    tag = loader.resolve(yaml.ScalarNode, text, (True, False))
    return loader.construct_object(yaml.ScalarNode(tag, text))
