"""What a run shows on the terminal: live, or as plain lines, or nothing."""

from seqablate.console.reporters import LiveReporter, PlainReporter, SilentReporter, make_reporter

__all__ = ["LiveReporter", "PlainReporter", "SilentReporter", "make_reporter"]
