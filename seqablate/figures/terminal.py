"""Curves drawn with braille characters: two dots across and four down in each character cell."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from seqablate.figures.curves import Curve

# The bit of each of a braille cell's dots, by row (down) and column (across); see Unicode block U+2800.
DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
COLOURS = (34, 31, 32, 35, 36, 33, 37)  # ANSI foregrounds, in the order of curves.PALETTE as far as there are any
RESET = "\x1b[0m"


def plot_log_curves(
    curves: Sequence[Curve], *, title: str, xlabel: str, ylabel: str, width: int, height: int = 16, colour: bool = False
) -> str:
    """The picture of :func:`seqablate.figures.curves.draw_log_curves` as text.

    Without colour the curves carry a letter each, at their right end and in the legend.

    Args:
        width: characters the drawing may take; at least 40 are used.
        height: lines of the drawing itself, without title, axis and legend.
        colour: write ANSI colours; for a terminal only.

    Returns:
        The text, without a newline at its end.
    """
    drawn = [_segments(curve) for curve in curves]
    every = [segment for segments in drawn for segment in segments]
    if not every:
        return f"{title}\n(nothing to draw)"
    margin = 8
    columns = max(width, 40) - margin - 2
    left, right = _range([x for x, _ in every])
    bottom, top = (f(edge) for f, edge in zip((math.floor, math.ceil), _range([y for _, y in every]), strict=True))
    ticks = {round((top - e) / (top - bottom) * (height - 1)): f"1e{e:+d}" for e in _decades(bottom, top)}
    cells = np.zeros((height, columns), dtype=int)
    owner = np.full((height, columns), -1)
    ends: dict[tuple[int, int], str] = {}
    for number, segments in enumerate(drawn):
        for x, y in segments:
            across = (x - left) / (right - left) * (2 * columns - 1)
            down = (top - y) / (top - bottom) * (4 * height - 1)
            column, row = _trace(across, down)
            np.bitwise_or.at(cells, (row // 4, column // 2), DOTS[row % 4, column % 2])
            owner[row // 4, column // 2] = number
        if segments:
            _put_letter(ends, number, row // 4, column // 2)

    def paint(text: str, number: int) -> str:
        if not colour or number < 0:
            return text
        return f"\x1b[{COLOURS[number % len(COLOURS)]}m{text}{RESET}"

    lines = [title, ylabel]
    for r in range(height):
        shown = (chr(0x2800 + cells[r, c]) if cells[r, c] else " " for c in range(columns))
        body = [ends.get((r, c), dot) if not colour else paint(dot, owner[r, c]) for c, dot in enumerate(shown)]
        lines.append(f"{ticks.get(r, ''):>{margin - 1}} {'┤' if r in ticks else '│'}{''.join(body)}".rstrip())
    lines.append(" " * margin + "└" + "─" * columns)
    lines.append(" " * margin + _ruler(left, right, columns, xlabel))
    lines += [f"{'':{margin}} {paint('━━' if colour else _letter(n), n)} {c.label}" for n, c in enumerate(curves)]
    return "\n".join(lines)


def _segments(curve: Curve) -> list[tuple[np.ndarray, np.ndarray]]:
    """x and log10(y) of every stretch between gaps."""
    x, y = curve.points()
    there = np.flatnonzero(np.isfinite(y))
    stretches = np.split(there, np.flatnonzero(np.diff(there) > 1) + 1)
    return [(x[stretch].astype(float), np.log10(y[stretch])) for stretch in stretches if len(stretch)]


def _range(values: list[np.ndarray]) -> tuple[float, float]:
    """Smallest and largest value of all curves, never the same."""
    every = np.concatenate(values)
    low, high = float(every.min()), float(every.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _trace(across: np.ndarray, down: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Dots (column, row) along the line through the points, at least one per dot of its longer side."""
    if len(across) < 2:
        return across.round().astype(int), down.round().astype(int)
    length = np.maximum(np.abs(np.diff(across)), np.abs(np.diff(down)))
    position = np.concatenate([[0.0], np.cumsum(np.maximum(length, 1e-9))])
    fine = np.linspace(0.0, position[-1], int(2 * position[-1]) + 2)
    return np.interp(fine, position, across).round().astype(int), np.interp(fine, position, down).round().astype(int)


def _decades(bottom: int, top: int) -> range:
    """About five exponents of ten between the two, from the top."""
    return range(top, bottom - 1, -max(1, math.ceil((top - bottom) / 5)))


def _letter(number: int) -> str:
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[number % 26]


def _put_letter(ends: dict[tuple[int, int], str], number: int, rows: np.ndarray, columns: np.ndarray) -> None:
    """Mark a curve at its right end, or at the nearest cell of it that no other curve's letter has taken."""
    for cell in zip(reversed(rows.tolist()), reversed(columns.tolist()), strict=True):
        if cell not in ends:
            ends[cell] = _letter(number)
            return


def _ruler(left: float, right: float, columns: int, label: str) -> str:
    """The line under the x axis: first value, label in the middle, last value."""
    first, last = f"{left:g}", f"{right:g}"
    room = columns - len(first) - len(last)
    return f" {first}{label[: room - 2]:^{room}}{last}"
