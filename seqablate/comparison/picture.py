"""What a picture of runs is, before it is drawn."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import islice
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One picture of some runs.

    Attributes:
        stem: of its file's name.
        draw: makes it; None where there is too much to be drawn.
        text: the same for a terminal of so many characters a line, in colour or not; None where text cannot show it.
        notes: lines below it: what is not drawn, and why.
    """

    stem: str
    draw: Callable[[], Figure] | None
    text: Callable[[int, bool], str] | None = None
    notes: Sequence[str] = ()


def slug(words: str) -> str:
    """Words as a part of a file's name, whatever they hold.

    Example:
        >>> slug("solved-against-../length")
        'solved-against-length'
    """
    return re.sub(r"[^A-Za-z0-9_-]+", "", words)[:80]


def pictures_in(folder: str, paths: Sequence[str], most: int, *shown: Any) -> Iterator[Picture]:
    """The pictures that the files of a folder have of something: what their function ``pictures(*shown)`` yields.

    Args:
        folder: the package's name.
        paths: its ``__path__``.
        most: pictures; that there are more is said instead of the next.
        shown: what is in the pictures.
    """
    files = [import_module(file.name) for file in iter_modules(paths, f"{folder}.")]
    found = (picture for file in files for picture in file.pictures(*shown))
    yield from islice(found, most)
    if next(found, None) is not None:
        yield Picture(stem="", draw=None, notes=[f"more than {most} pictures: the others are not drawn"])
