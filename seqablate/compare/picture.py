"""What a picture of runs is, before it is drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
