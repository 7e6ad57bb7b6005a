"""The pictures of runs, a file for each kind.

A file more in this folder with a function ``pictures(runs, whens)`` is all that a new picture needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from itertools import islice
from pkgutil import iter_modules

from seqablate.compare.curves import When
from seqablate.compare.picture import Picture
from seqablate.record.run import Run

MOST_PICTURES = 60


def every_picture(runs: Sequence[Run], whens: Sequence[When] = (None,)) -> Iterator[Picture]:
    """All pictures that there are of some runs, after so many training steps (None: the last evaluation)."""
    files = [import_module(file.name) for file in iter_modules(__path__, f"{__name__}.")]
    found = (picture for file in files for picture in file.pictures(runs, whens))
    yield from islice(found, MOST_PICTURES)
    if next(found, None) is not None:
        yield Picture(stem="", draw=None, notes=[f"more than {MOST_PICTURES} pictures: the others are not drawn"])
