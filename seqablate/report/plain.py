"""Reporters of logs and pipes: a line an evaluation, or nothing but warnings."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from seqablate.record.rows import EvalRow, Row, TextRow
from seqablate.record.schema import RunInfo
from seqablate.report.console import run_console
from seqablate.report.lines import print_line, sample_words
from seqablate.report.outcome import first_lines, headline, next_lines, outcome, result_lines
from seqablate.report.watch import Watch, acting
from seqablate.training.parts import Parts
from seqablate.training.state import TrainState


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
            print_line(self.console, f"  sample: {sample_words(row.text)}")

    def warn(self, message: str) -> None:
        print_line(self.console, f"  warning: {message}")

    def end(self, path: Path, info: RunInfo) -> None:
        print_line(self.console, outcome(info))
        for line in [*result_lines(info, acting(self.watch)), *next_lines(path, info)]:
            print_line(self.console, f"  {line}")
