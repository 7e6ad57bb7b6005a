"""The three ways of watching a run. See :class:`seqablate.training.run.Reporter` for the calls they receive."""

from __future__ import annotations

import textwrap
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

from seqablate.config.codec import to_plain
from seqablate.errors import printable
from seqablate.record.rows import EvalRow, Row, SignalRow, TextRow, TrainRow
from seqablate.record.schema import Evaluation, RunInfo
from seqablate.report.console import run_console
from seqablate.report.outcome import (
    against,
    headline,
    model_lines,
    next_lines,
    outcome,
    result_lines,
    resumed_line,
    scale_lines,
)
from seqablate.signals import Signal
from seqablate.signals.view import view_of
from seqablate.text import duration, number, percent, sparkline
from seqablate.training.parts import Parts
from seqablate.training.run import Reporter
from seqablate.training.state import TrainState

REFRESH = 0.25  # seconds between pictures
LONGEST_SAMPLE = 150  # characters of a generated text
INDENT = "    "  # of what a narrow terminal moves to another line


def make_reporter(quiet: bool, brief: bool = False) -> Reporter:
    """Nothing when quiet, live on a terminal, plain lines elsewhere; ``brief`` leaves one line of each run."""
    if quiet:
        return SilentReporter()
    console = run_console()
    if console.is_terminal:
        return LiveReporter(console, brief)
    return BriefReporter(console) if brief else PlainReporter(console)


class SilentReporter:
    """Shows nothing but warnings, which go to standard error."""

    def begin(self, path: Path, parts: Parts, state: TrainState) -> None:
        pass

    def row(self, row: Row) -> None:
        pass

    def warn(self, message: str) -> None:
        print_line(run_console(stderr=True), f"warning: {message}", style="yellow")

    def end(self, path: Path, info: RunInfo) -> None:
        pass


def print_line(console: Console, line: str, style: str = "") -> None:
    """One line of text as it is: no markup, no control characters, in a file never folded.

    A terminal that is too narrow gets it in several lines, the later ones indented.
    """
    line = printable(line)
    if console.is_terminal:
        fill = textwrap.fill(
            line, max(console.width, 20), subsequent_indent=INDENT, break_long_words=False, break_on_hyphens=False
        )
        line = line if len(line) <= console.width else fill
    console.print(Text(line, style=style), soft_wrap=True)


class Watch:
    """The latest numbers of a run, and how fast it goes."""

    def __init__(self, parts: Parts, state: TrainState) -> None:
        self.parts = parts
        self.metric = parts.task.metrics[0]
        self.first_step = self.step = state.step
        self.clipped = state.progress.clipped
        self.started = time.perf_counter()
        self.train: TrainRow | None = None
        self.eval: Evaluation | None = state.progress.last
        self.shown: dict[tuple[str, str], Signal] = {}  # by quantity and place

    def row(self, row: Row) -> None:
        if isinstance(row, TrainRow):
            self.train, self.step = row, row.step + 1
            self.clipped += row.clipped
        elif isinstance(row, EvalRow):
            self.eval = row
        elif isinstance(row, SignalRow):
            self._keep(row.signal)

    def _keep(self, signal: Signal) -> None:
        """Of what is shown live, the first layer, or all layers together."""
        if view_of(signal).live and not signal.place.layer:
            self.shown[signal.quantity, signal.place.label] = signal

    @property
    def rate(self) -> float:
        """Training steps per second since this process began, evaluations included."""
        return (self.step - self.first_step) / max(time.perf_counter() - self.started, 1e-9)

    @property
    def remaining(self) -> str:
        """Time left if the run uses its whole budget."""
        return duration((self.parts.config.steps - self.step) / self.rate) if self.rate > 0 else "–"

    @property
    def training(self) -> list[str]:
        """The last step's loss and gradient norm, and how often it was clipped so far (unless nothing clips)."""
        clipped = f"clipped {percent(self.clipped / self.step if self.step else None)}"
        loss, norm = (None, None) if self.train is None else (self.train.loss, self.train.grad_norm)
        found = [f"train loss {number(loss)}", f"gradient norm {number(norm)}"]
        return found if clip_name(self) == "none" else [*found, clipped]

    @property
    def result(self) -> str:
        results = {} if self.eval is None else self.eval.metrics
        others = [f"  {other.name} {number(results.get(other.name))}" for other in self.parts.task.metrics[1:]]
        return against(self.metric, results.get(self.metric.name), self.parts.task.baselines) + "".join(others)


class PlainReporter:
    """One line an evaluation, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.watch: Watch | None = None

    def begin(self, path: Path, parts: Parts, state: TrainState) -> None:
        self.watch = Watch(parts, state)
        print_line(self.console, headline(parts))
        for line in first_lines(parts, state):
            print_line(self.console, f"  {line}")

    def row(self, row: Row) -> None:
        if self.watch is None:
            return
        self.watch.row(row)
        if isinstance(row, EvalRow):
            steps = self.watch.parts.config.steps
            line = f"  step {row.step:>{len(str(steps))}}/{steps}  {self.watch.result}"
            if self.watch.train is not None:
                line += f"  {'  '.join(self.watch.training)}  {self.watch.rate:.0f} steps/s"
            print_line(self.console, line)
        elif isinstance(row, TextRow):
            print_line(self.console, f"  sample: {' '.join(row.text.split())[:LONGEST_SAMPLE]}")

    def warn(self, message: str) -> None:
        print_line(self.console, f"  warning: {message}")

    def end(self, path: Path, info: RunInfo) -> None:
        print_line(self.console, outcome(info))
        for line in [*result_lines(info, clip_name(self.watch)), *next_lines(path, info)]:
            print_line(self.console, f"  {line}")


class BriefReporter(SilentReporter):
    """The outcome, in one line: for the runs of a sweep."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def end(self, path: Path, info: RunInfo) -> None:
        print_line(self.console, f"{INDENT}{outcome(info)}; {duration(info.seconds.total)}")


class LiveReporter:
    """A picture that follows the run, and a panel at its end (``brief``: a line)."""

    def __init__(self, console: Console, brief: bool = False) -> None:
        self.console = console
        self.brief = brief
        self.watch: Watch | None = None
        self.live: Live | None = None
        self.drawn = 0.0
        self.text: str | None = None

    def begin(self, path: Path, parts: Parts, state: TrainState) -> None:
        self.watch = Watch(parts, state)
        if not self.brief:
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
            self.text = printable(" ".join(row.text.split())[:LONGEST_SAMPLE])
        if time.perf_counter() - self.drawn > REFRESH:
            self.live.update(Group(*self._picture(self.watch)), refresh=True)
            self.drawn = time.perf_counter()

    def warn(self, message: str) -> None:
        print_line(self.console, f"warning: {message}", style="yellow")

    def end(self, path: Path, info: RunInfo) -> None:
        if self.live is not None:
            self.live.stop()
        if self.brief:
            BriefReporter(self.console).end(path, info)
            return
        colour = colour_of(info)
        lines = (printable(line) for line in result_lines(info, clip_name(self.watch)))
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
        yield from (one_line(signal_line(signal, self.console.width)) for signal in watch.shown.values())
        if self.text:
            yield one_line(f"sample: {self.text}", "dim")


def signal_line(signal: Signal, width: int) -> str:
    """``‖dL/dh‖ t=0 ▁▂▄▇ t=99  1.0e-05 to 0.12``; of a matrix its first column."""
    view = view_of(signal)
    values = signal.values if signal.at is None else signal.values[:, 0]
    name = view.symbol.format(place=signal.place.symbol)
    ends = f"{view.index}=0", f"{view.index}={len(values) - 1}"
    room = width - len(f"  {name} {' '.join(ends)}  ") - len("1.0e-38 to 1.0e-38")
    return f"{name} {ends[0]} {sparkline(values, max(8, min(40, room)))} {ends[1]}  {span(values)}"


def first_lines(parts: Parts, state: TrainState) -> list[str]:
    """What follows the headline when a run begins."""
    return [*model_lines(parts), *scale_lines(parts), *resumed_line(state)]


def clip_name(watch: Watch | None) -> str | None:
    """The clip of the run that was watched, None if it never began."""
    return None if watch is None else str(to_plain(watch.parts.config)["clip"]["name"])


def colour_of(info: RunInfo) -> str:
    """Green for a task that is solved and stays so, red for a run that failed."""
    if info.status in ("failed", "diverged"):
        return "red"
    return "green" if info.status == "done" and info.keeps else "yellow"


def span(values: np.ndarray) -> str:
    """The smallest and the largest norm of a curve: ``0 to 0.12``, ``1.0e-05 to inf``, ``NaN``."""
    known = values[~np.isnan(values)]
    return f"{number(known.min())} to {number(known.max())}" if len(known) else "NaN"


def one_line(text: str, style: str = "") -> Text:
    """An indented line of the picture, cut where the terminal ends."""
    return Text(f"  {text}", style=style, no_wrap=True, overflow="ellipsis")
