"""Curves drawn with braille characters: two dots across and four down in each character cell."""

from __future__ import annotations

import math
import string
from collections.abc import Iterator, Sequence

import numpy as np

from seqablate.errors import printable
from seqablate.figures.curve import Curve, span
from seqablate.figures.scale import LOG, Scale
from seqablate.figures.words import wrapped

# The bit of each of a braille cell's dots, by row (down) and column (across); see Unicode block U+2800.
DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
COLOURS = (34, 31, 32, 35, 36, 33, 39)  # ANSI foregrounds, as near to styles.PALETTE as there are any
RESET = "\x1b[0m"
LETTERS = string.ascii_uppercase + string.ascii_lowercase + string.digits
MARGIN = 8  # characters left of the axis
ROWS = {
    "zero": "0",
    "overflow": "inf",
    "nan": "NaN",
    "negative": "-inf",
}  # names of the rows for values without a height


def plot_curves(
    curves: Sequence[Curve],
    *,
    title: str,
    xlabel: str,
    ylabel: str,
    width: int,
    height: int = 16,
    colour: bool = False,
    scale: Scale = LOG,
) -> str:
    """The picture of :func:`seqablate.figures.curves.draw_curves` as text.

    Every curve has a letter, at its right end and in the legend. Where a curve runs into 0, inf or NaN, its letter
    stands in a row of that name, under or over the drawing.

    Args:
        width: characters that a line may take; at least 40.
        height: lines of the drawing itself, without title, rows for 0, inf and NaN, axis and legend.
        colour: write ANSI colours; for a terminal only.
        scale: the vertical axis; a line marks its floor where a curve comes near.

    Returns:
        The text, without a newline at its end.
    """
    width = max(width, 40)
    head = [*_fitted(title, width), *_fitted(ylabel, width)]
    if not any(len(curve.y) for curve in curves):
        return "\n".join([*head[:-1], "(nothing to draw)"])
    canvas = _Canvas(curves, width - MARGIN - 2, height, scale)
    for number, curve in enumerate(curves):
        canvas.add(number, curve)
    lines = head + canvas.lines(colour)
    lines += [" " * MARGIN + "└" + "─" * canvas.columns, " " * MARGIN + canvas.ruler(xlabel)]
    for number, curve in enumerate(curves):
        first, *others = _fitted(curve.label, width - MARGIN - 3)
        lines.append(f"{'':{MARGIN}} {_paint(_letter(number), number, colour)} {first}")
        lines += [f"{'':{MARGIN}}   {line}" for line in others]
    if canvas.floor_row is not None:
        lines += [f"{'':{MARGIN}} {line}" for line in _fitted(f"┄ {scale.floor_words}", width - MARGIN - 1)]
    return "\n".join(lines)


class _Canvas:
    """Cells with dots, the curve that drew each of them last, and the letters that replace some of them."""

    def __init__(self, curves: Sequence[Curve], columns: int, height: int, scale: Scale) -> None:
        self.columns, self.height, self.scale = columns, height, scale
        xs = np.concatenate([curve.points()[0] for curve in curves]).astype(float)
        self.left, self.right = float(xs.min()), float(xs.max())
        bottom, top = span(curves, scale)
        self.bottom: float = math.floor(bottom) if scale.log else bottom
        self.top: float = math.ceil(top) if scale.log else top
        self.cells = np.zeros((height, columns), dtype=int)
        self.owner = np.full((height, columns), -1)
        self.letters: dict[tuple[int, int], int] = {}
        self.ends: dict[str, dict[int, int]] = {}  # what curves run into -> column -> curve
        self.floor_row = None if scale.floor_height is None else self._row(scale.floor_height)

    def add(self, number: int, curve: Curve) -> None:
        """Draw a curve, its letter at its right end, and letters wherever it runs into 0, inf or NaN."""
        x, y = curve.points(self.scale)
        there = np.flatnonzero(np.isfinite(y))
        for stretch in np.split(there, np.flatnonzero(np.diff(there) > 1) + 1):
            if len(stretch):
                column, row = _trace(self._across(x[stretch]), self._down(self.scale.heights(y[stretch])))
                np.bitwise_or.at(self.cells, (row // 4, column // 2), DOTS[row % 4, column % 2])
                self.owner[row // 4, column // 2] = number
        if len(there):
            self._put_letter(number, row // 4, column // 2)
        for end in curve.ends(self.scale):
            taken = self.ends.setdefault(end.kind, {})
            wanted = int(self._across(np.array([end.x]))[0].round()) // 2
            free = sorted(set(range(self.columns)) - taken.keys(), key=lambda column: abs(column - wanted))
            taken |= dict.fromkeys(free[:1], number)

    def lines(self, colour: bool) -> list[str]:
        """The drawing from top to bottom, with its vertical axis."""
        ticks = {self._row(height): words for height, words in self._ticks()}
        rows = [self._end_row(kind, colour) for kind in ("nan", "overflow") if kind in self.ends]
        for r in range(self.height):
            body = "".join(self._cell(r, c, colour) for c in range(self.columns))
            rows.append(f"{ticks.get(r, ''):>{MARGIN - 1}} {'┤' if r in ticks else '│'}{body}".rstrip())
        return rows + [self._end_row(kind, colour) for kind in ("zero", "negative") if kind in self.ends]

    def _ticks(self) -> Iterator[tuple[float, str]]:
        """Heights that are named beside the axis: every so many decades, or some values evenly apart."""
        if not self.scale.log:
            yield from ((height, _short(height)) for height in np.linspace(self.top, self.bottom, 5).tolist())
            return
        step = max(1, math.ceil((self.top - self.bottom) / 5))
        yield from ((e, f"1e{e:+d}") for e in range(int(self.top), int(self.bottom) - 1, -step))

    def ruler(self, label: str) -> str:
        """The line under the horizontal axis: first value, label in the middle, last value."""
        first, last = f"{self.left:g}", f"{self.right:g}"
        room = self.columns - len(first) - len(last)
        return f" {first}{label[: room - 2]:^{room}}{last}"

    def _cell(self, r: int, c: int, colour: bool) -> str:
        if (r, c) in self.letters:
            return _paint(_letter(self.letters[r, c]), self.letters[r, c], colour)
        if self.cells[r, c]:
            return _paint(chr(0x2800 + self.cells[r, c]), int(self.owner[r, c]), colour)
        return "┄" if r == self.floor_row else " "

    def _end_row(self, kind: str, colour: bool) -> str:
        found = self.ends[kind]
        body = (_paint(_letter(found[c]), found[c], colour) if c in found else " " for c in range(self.columns))
        return f"{ROWS[kind]:>{MARGIN - 1}} ┤{''.join(body)}".rstrip()

    def _put_letter(self, number: int, rows: np.ndarray, columns: np.ndarray) -> None:
        """At the right end of the curve, at the nearest cell of it without a letter, or over or under it."""
        own = list(zip(reversed(rows.tolist()), reversed(columns.tolist()), strict=True))
        near = sorted(np.ndindex(self.height, self.columns), key=lambda cell: math.dist(cell, own[0]))
        free = next((cell for cell in (*own, *near) if cell not in self.letters), None)
        if free is not None:
            self.letters[free] = number

    def _across(self, x: np.ndarray) -> np.ndarray:
        """Columns of dots."""
        return (x - self.left) / max(self.right - self.left, 1e-9) * (2 * self.columns - 1)

    def _down(self, heights: np.ndarray) -> np.ndarray:
        """Rows of dots."""
        return (self.top - heights) / (self.top - self.bottom) * (4 * self.height - 1)

    def _row(self, height: float) -> int | None:
        """The row of cells at a height; None outside of the drawing."""
        row = round((self.top - height) / (self.top - self.bottom) * (self.height - 1))
        return row if 0 <= row < self.height else None


def _trace(across: np.ndarray, down: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Dots (column, row) along the line through the points, at least one per dot of its longer side."""
    if len(across) < 2:
        return across.round().astype(int), down.round().astype(int)
    length = np.maximum(np.abs(np.diff(across)), np.abs(np.diff(down)))
    position = np.concatenate([[0.0], np.cumsum(np.maximum(length, 1e-9))])
    fine = np.linspace(0.0, position[-1], int(2 * position[-1]) + 2)
    return np.interp(fine, position, across).round().astype(int), np.interp(fine, position, down).round().astype(int)


def _short(value: float) -> str:
    """A number in the room that is left of the axis."""
    words = f"{value:.3g}"
    return words if len(words) < MARGIN else f"{value:.0e}"


def _letter(number: int) -> str:
    return LETTERS[number % len(LETTERS)]


def _paint(text: str, number: int, colour: bool) -> str:
    return f"\x1b[{COLOURS[number % len(COLOURS)]}m{text}{RESET}" if colour else text


def _fitted(text: str, width: int) -> list[str]:
    """The text in lines that a terminal of this width can show, without control characters."""
    return wrapped("\n".join(printable(line) for line in text.split("\n")), width).split("\n")
