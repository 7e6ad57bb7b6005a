"""The reporter of a terminal: a picture that follows the run, and a panel at its end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from seqablate.errors import printable
from seqablate.record.rows import Row, SignalRow, TextRow
from seqablate.record.schema import RunInfo
from seqablate.report.lines import one_line, print_line, sample_words
from seqablate.report.outcome import first_lines, headline, next_lines, outcome, result_lines
from seqablate.report.watch import Watch, acting, curve_of
from seqablate.signals.view import view_of
from seqablate.text import number, sparkline
from seqablate.training.parts import Parts
from seqablate.training.state import TrainState

REFRESH = 0.25  # seconds between pictures


class LiveReporter:
    """A picture that follows the run, and a panel at its end."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.watch: Watch | None = None
        self.live: Live | None = None
        self.drawn = 0.0
        self.text: str | None = None

    def begin(self, path: Path, parts: Parts, state: TrainState) -> None:
        self.watch = Watch(parts, state)
        print_line(self.console, headline(parts), style="bold")
        for line in first_lines(parts, state):
            print_line(self.console, f"  {line}", style="dim")
        self.live = Live(console=self.console, auto_refresh=False, transient=True)
        self.live.start()

    def row(self, row: Row) -> None:
        if self.watch is None or self.live is None:
            return
        self.watch.row(row)
        if isinstance(row, TextRow):
            self.text = printable(sample_words(row.text))
        if time.perf_counter() - self.drawn > REFRESH:
            self.live.update(Group(*self._picture(self.watch)), refresh=True)
            self.drawn = time.perf_counter()

    def warn(self, message: str) -> None:
        print_line(self.console, f"warning: {message}", style="yellow")

    def end(self, path: Path, info: RunInfo) -> None:
        if self.live is not None:
            self.live.stop()
        colour = colour_of(info)
        lines = (printable(line) for line in result_lines(info, acting(self.watch)))
        print_line(self.console, outcome(info), style=f"bold {colour}")
        self.console.print(Panel(Text("\n".join(lines)), border_style=colour))
        for line in next_lines(path, info):
            self.console.print(Text(printable(line)), soft_wrap=True)  # a command is copied as one line

    def _picture(self, watch: Watch) -> Iterator[Any]:
        steps = watch.parts.config.steps
        bar = Table.grid(padding=(0, 1))
        bar.add_row(
            f"  step {watch.step}/{steps}",
            ProgressBar(total=steps, completed=watch.step, width=max(4, min(24, self.console.width - 62))),
            f"{100 * watch.step / steps:.0f} %  {watch.rate:.0f} steps/s  at most {watch.remaining} left",
        )
        yield bar
        yield one_line("   ".join(watch.training))
        yield one_line(f"{watch.result} at step {watch.eval.step}" if watch.eval else watch.result, "cyan")
        yield from (one_line(signal_line(row, self.console.width)) for row in watch.shown.values())
        if self.text:
            yield one_line(f"sample: {self.text}", "dim")


def signal_line(row: SignalRow, width: int) -> str:
    """``‖dL/dh‖ t=0 ▁▂▄▇ t=99  1.0e-05 to 0.12``; of a matrix its first column."""
    view = view_of(row)
    values = curve_of(row)
    name = view.symbol.format(place=row.place.symbol)
    ends = f"{view.index}=0", f"{view.index}={len(values) - 1}"
    room = width - len(f"  {name} {' '.join(ends)}  ") - len("1.0e-38 to 1.0e-38")
    return f"{name} {ends[0]} {sparkline(values, max(8, min(40, room)))} {ends[1]}  {span(values)}"


def colour_of(info: RunInfo) -> str:
    """Green for a task that is solved and stays so, red for a run that failed."""
    if info.status in ("failed", "diverged"):
        return "red"
    return "green" if info.status == "done" and info.keeps else "yellow"


def span(values: np.ndarray) -> str:
    """The smallest and the largest norm of a curve: ``0 to 0.12``, ``1.0e-05 to inf``, ``NaN``."""
    known = values[~np.isnan(values)]
    return f"{number(known.min())} to {number(known.max())}" if len(known) else "NaN"
