"""The pictures of runs, a file for each kind.

A file more in this folder with a function ``pictures(runs, whens)`` is all that a new picture needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seqablate.comparison.curves import When
from seqablate.comparison.picture import Picture, pictures_in
from seqablate.record.run import Run

MOST_PICTURES = 60


def every_picture(runs: Sequence[Run], whens: Sequence[When] = (None,)) -> Iterator[Picture]:
    """All pictures that there are of some runs, after so many training steps (None: the last evaluation)."""
    return pictures_in(__name__, __path__, MOST_PICTURES, runs, whens)
