"""A comparison as one HTML file that asks for nothing else: no server, no network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from seqablate.comparison.result import Comparison
from seqablate.record.run import Run


def write_page(comparison: Comparison, runs: Sequence[Run], out: Path, command: Sequence[str] = ()) -> None:
    """Write the page; a file of that name is replaced, as a whole or not at all.

    Args:
        comparison: the numbers.
        runs: those that it is of: their curves are read from their records.
        out: the file.
        command: the words that asked for the page; shown on it.

    Raises:
        RunFailure: the disk does not take it.
    """
    from seqablate.comparison.page.data import document
    from seqablate.comparison.page.html import render
    from seqablate.record.files import replacing

    page = render(comparison, document(comparison, runs), command)
    with replacing(out) as file:
        file.write(page.encode("utf-8", "replace"))  # a file's name need not be UTF-8
