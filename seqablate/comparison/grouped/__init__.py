"""The pictures of arms, pooled over their seeds, for a paper: a file for each kind.

A file more in this folder with a function ``pictures(group)`` is all that a new picture needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from seqablate.comparison.files import save_picture, suffix
from seqablate.comparison.group import read_group
from seqablate.comparison.picture import Picture, pictures_in
from seqablate.comparison.result import Comparison
from seqablate.record.run import Run

MOST_PICTURES = 30


def grouped_pictures(comparison: Comparison, runs: Iterable[Run]) -> Iterator[Picture]:
    """All pictures that there are of a comparison's arms.

    Args:
        comparison: the numbers.
        runs: those that it is of, in any order; curves are read from their records.
    """
    group = read_group(comparison, runs)
    yield from pictures_in(__name__, __path__, MOST_PICTURES, group)
    if group.notes:
        yield Picture(stem="", draw=None, notes=group.notes)


def save_grouped(comparison: Comparison, runs: Iterable[Run], folder: Path) -> Iterator[str]:
    """Save them as PNG, SVG and PDF, and yield a line for each file, and for what is not drawn.

    The names of the files end in some letters that stand for the runs and for how they are grouped, so that another
    comparison replaces none of them.

    Raises:
        RunFailure: the disk does not take a file.
    """
    shown = [comparison.scale.name, *comparison.factors, *(run.path for arm in comparison.arms for run in arm.runs)]
    for picture in grouped_pictures(comparison, runs):
        yield from picture.notes
        for path in save_picture(picture, folder / f"compare-{picture.stem}-{suffix(shown)}"):
            yield f"saved {path}"
