"""A comparison with the runs that it is of: what Python callers get, and what the command line prints and writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqablate.comparison.arms.formats import arm_row, as_text, to_html
from seqablate.comparison.result import Comparison
from seqablate.record.run import Run

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


class Answer:
    """Arms of runs side by side. In a notebook it is shown as tables.

    Attributes:
        comparison: every number, as plain data (:class:`seqablate.comparison.result.Comparison`).
        runs: the runs of all arms.
    """

    def __init__(self, comparison: Comparison, runs: Sequence[Run]) -> None:
        self.comparison = comparison
        self.runs = list(runs)

    def __str__(self) -> str:
        return as_text(self.comparison)

    def __repr__(self) -> str:
        return f"<Answer: {self.comparison.claim}>"

    def _repr_html_(self) -> str:
        return to_html(self.comparison)

    @property
    def frame(self) -> pd.DataFrame:
        """The table of arms with every number in full, one row an arm."""
        import pandas as pd

        return pd.DataFrame([arm_row(self.comparison, arm) for arm in self.comparison.arms])

    def write_page(self, path: str | Path, command: Sequence[str] = ()) -> None:
        """One HTML file that shows everything and needs no network (RunFailure where it cannot be written)."""
        from seqablate.comparison.page import write_page

        write_page(self.comparison, self.runs, Path(path), command)

    def figures(self) -> dict[str, Figure]:
        """The pictures for a paper, as matplotlib figures by the name of each."""
        from seqablate.comparison.grouped import grouped_pictures

        found = grouped_pictures(self.comparison, self.runs)
        return {picture.stem: picture.draw() for picture in found if picture.draw is not None}

    def save_figures(self, folder: str | Path) -> list[str]:
        """Save them as PNG, SVG and PDF (RunFailure where that cannot be done).

        Returns:
            A line for each file, and for what is not drawn.
        """
        from seqablate.comparison.grouped import save_grouped

        return list(save_grouped(self.comparison, self.runs, Path(folder)))

    def to_json(self) -> dict[str, Any]:
        """What ``seqablate compare --json`` prints."""
        return self.comparison.to_json()
