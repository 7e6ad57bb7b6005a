"""Sequences of a task as one can read them: a row of cells for the input, and one for the target.

Shapes: T time, S the last steps (those with a target), B batch, I input features.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.text import Text

from seqablate.errors import printable
from seqablate.tasks.base import NO_TARGET, Batch, Task

PADDING = "·"  # an input of zeros
BLANK = "␣"  # the character of a text
COLOURS = ("cyan", "magenta", "yellow", "blue", "bright_red", "bright_cyan", "bright_magenta", "bright_yellow")
MOST_ROWS = 16  # features of a real input


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a sample: its title, and a cell for each timestep (empty where there is nothing)."""

    title: str
    cells: list[str]


@dataclass(frozen=True, slots=True)
class Sample:
    """One sequence of a batch, without its padding.

    Attributes:
        length: its timesteps.
        inputs: a row of symbols, or one for each feature of a real input.
        target: a cell for each timestep, empty before the first target; or one cell, for an answer after the last step.
        line: timesteps that belong on one line, as the pixels of one row of an image do; None: as many as there is
            room for.
    """

    length: int
    inputs: list[Row]
    target: Row
    line: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The cells, by the title of their row."""
        return {
            "length": self.length,
            "input": {row.title: row.cells for row in self.inputs},
            "target": self.target.cells,
        }


def samples(task: Task, batch: Batch) -> Iterator[Sample]:
    """Every sequence of a batch of arrays."""
    inputs, targets = (tuple(getattr(task, name, ())) for name in ("input_names", "target_names"))
    line = task.spec.image[1] if task.spec.image else None
    one_hot = batch.x.ndim == 3 and _is_one_hot(batch.x.reshape(-1, batch.x.shape[2]))
    for b in range(batch.x.shape[1]):
        length = len(batch.x) if batch.lengths is None else int(batch.lengths[b])
        yield Sample(
            length, _inputs(batch.x[:length, b], inputs, one_hot), _target(batch.y[..., b], length, targets), line
        )


def _inputs(x: np.ndarray, names: Sequence[str], one_hot: bool) -> list[Row]:
    """Rows of token ids [T], of one-hot symbols [T, I], or of real features [T, I]."""
    if x.ndim == 1:
        return [Row("input", [named(int(token), names) for token in x])]
    if one_hot:
        return [Row("input", [named(int(step.argmax()), names) if step.any() else PADDING for step in x])]
    titles = [names[i] if i < len(names) else f"input {i}" for i in range(x.shape[1])]
    rows = [Row(title, [_decimals(value) for value in x[:, i]]) for i, title in enumerate(titles[:MOST_ROWS])]
    return rows if len(rows) == len(titles) else [*rows, Row(f"... and {len(titles) - len(rows)} more features", [])]


def _decimals(value: float) -> str:
    """Two decimals, but none of a whole number: values of one feature stand below each other."""
    return f"{value:.0f}" if value == int(value) else f"{value:.2f}"


def _is_one_hot(x_TI: np.ndarray) -> bool:
    """Whether every step has one 1 and nothing else, or (padding) nothing at all."""
    return x_TI.shape[1] > 1 and bool(np.isin(x_TI, (0, 1)).all() and (x_TI.sum(1) <= 1).all())


def _target(y: np.ndarray, length: int, names: Sequence[str]) -> Row:
    """The target after the last step, or those of the last S steps."""
    if y.ndim == 0:
        return Row("target", [_answer(y, names)])
    cells = [_answer(value, names) for value in y[:length]]
    return Row("target", [""] * (length - len(cells)) + cells)


def _answer(value: np.ndarray, names: Sequence[str]) -> str:
    if value.dtype.kind != "i":
        return f"{float(value):.3g}"
    return "" if value == NO_TARGET else named(int(value), names)


def named(number: int, names: Sequence[str]) -> str:
    """What a token or a class is called; a blank and control characters can be seen."""
    return (printable(names[number]).replace(" ", BLANK) if number < len(names) else str(number)) or "''"


def picture(sample: Sample, width: int) -> Iterator[Text]:
    """The lines of a sample, in blocks no wider than ``width``: inputs above, each target below its timestep."""
    timed = len(sample.target.cells) == sample.length and sample.length > 1
    rows = [row for row in [*sample.inputs, *([sample.target] if timed else [])] if row.cells]
    margin = max(len(row.title) for row in [*sample.inputs, sample.target]) + 2
    widths = [max(len(row.cells[t]) for row in rows) for t in range(sample.length)]
    widths = widths if sample.line is None else [max(widths)] * sample.length
    for start, stop in blocks(widths, max(width - margin - 2, 1), sample.line):
        yield Text(f"  {'step':{margin}}{start}" + (f" to {stop - 1}" if stop > start + 1 else ""), style="dim")
        for row in rows:
            yield _line(row, start, widths[start:stop], margin, is_target=row is sample.target)
    yield from (Text(f"  {row.title}", style="dim") for row in sample.inputs if not row.cells)
    if not timed:
        yield Text(f"  {sample.target.title:{margin}}").append(sample.target.cells[0], style="bold green")


def blocks(widths: Sequence[int], room: int, line: int | None = None) -> Iterator[tuple[int, int]]:
    """Stretches of cells, from the first to before the last, that with a blank after each fit into ``room``.

    None is longer than ``line`` cells, if that is given.
    """
    start, used = 0, 0
    for t, width in enumerate(widths):
        if (used + width > room and t > start) or t - start == line:
            yield start, t
            start, used = t, 0
        used += width + 1
    yield start, len(widths)


def _line(row: Row, start: int, widths: Sequence[int], margin: int, *, is_target: bool) -> Text:
    line, styles = Text(f"  {row.title:{margin}}"), _styles(row.cells, is_target)
    for cell, width in zip(row.cells[start:], widths, strict=False):
        line.append(f"{cell:>{width}}", style=styles.get(cell, "")).append(" ")
    line.rstrip()
    return line


def _styles(cells: Sequence[str], is_target: bool) -> dict[str, str]:
    """A colour for each symbol; a long row's most frequent one, which tells least, is dim."""
    counts = Counter(cells)
    kinds = sorted(counts)
    styles = {kind: "bold green" if is_target else COLOURS[k % len(COLOURS)] for k, kind in enumerate(kinds)}
    ((frequent, count),) = counts.most_common(1)
    return styles | ({frequent: "dim"} if 2 * count > len(cells) and len(kinds) > 1 else {})
