"""Which way of watching a run is taken: see :class:`seqablate.training.session.Reporter` for the calls it gets."""

from __future__ import annotations

from seqablate.report.console import run_console
from seqablate.report.live import LiveReporter
from seqablate.report.plain import PlainReporter, SilentReporter
from seqablate.training.session import Reporter


def make_reporter(quiet: bool) -> Reporter:
    """Nothing when quiet, live on a terminal, plain lines elsewhere."""
    if quiet:
        return SilentReporter()
    console = run_console()
    return LiveReporter(console) if console.is_terminal else PlainReporter(console)
