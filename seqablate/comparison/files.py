"""Pictures as files, under names that tell sets of runs apart."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from seqablate.comparison.picture import Picture
from seqablate.errors import RunFailure

FORMATS = (".png", ".svg", ".pdf")


def save_picture(picture: Picture, stem: Path, formats: Sequence[str] = FORMATS) -> Iterator[Path]:
    """Draw a picture and write it in every format; nothing where there is nothing to be drawn.

    Args:
        picture: to be drawn.
        stem: the path without the ending; its folder is made.
        formats: of :data:`seqablate.figures.files.FORMATS`.

    Yields:
        Each file that was written; a file of its name is replaced.

    Raises:
        RunFailure: the disk does not take it.
    """
    from seqablate.figures.files import save

    if picture.draw is None:
        return
    figure = picture.draw()
    for ending in formats:
        try:
            stem.parent.mkdir(parents=True, exist_ok=True)
            yield save(figure, stem.with_name(stem.name + ending))
        except OSError as error:
            raise RunFailure(f"cannot save a picture in {stem.parent}: {error.strerror}") from error


def suffix(shown: Iterable[str]) -> str:
    """Six letters that stand for what is shown, in any order: a picture of anything else has another name.

    Example:
        >>> suffix(["runs/a", "runs/b"]) == suffix(["runs/b", "runs/a"]), suffix(["runs/a"])
        (True, '7c3ea9')
    """
    return hashlib.sha256("\n".join(sorted(shown)).encode()).hexdigest()[:6]
