"""Which way of watching a run is taken: see :class:`seqablate.training.session.Reporter` for the calls it gets."""

from __future__ import annotations

from seqablate.report.console import run_console
from seqablate.report.live import LiveReporter
from seqablate.report.plain import BriefReporter, PlainReporter, SilentReporter
from seqablate.training.session import Reporter


def make_reporter(quiet: bool, brief: bool = False) -> Reporter:
    """Nothing when quiet, live on a terminal, plain lines elsewhere; ``brief`` leaves one line of each run."""
    if quiet:
        return SilentReporter()
    console = run_console()
    if console.is_terminal:
        return LiveReporter(console, brief)
    return BriefReporter(console) if brief else PlainReporter(console)
