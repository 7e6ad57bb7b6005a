"""The consoles that commands print on. Imports no torch."""

from __future__ import annotations

import os
import sys

from rich.console import Console

PIPE_WIDTH = 200  # where there is no terminal: a row a line


class LastingConsole(Console):
    """A rich console that falls silent when its reader goes away (``| head``), where rich would end the process."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        silence_stdout()


def make_console() -> LastingConsole:
    """The terminal at its own width; a file or a pipe at one that folds no row."""
    console = LastingConsole(highlight=False)
    return console if console.is_terminal else LastingConsole(highlight=False, width=PIPE_WIDTH)


def silence_stdout() -> None:
    """Send what is still to come to nowhere, so that nobody complains of it when the process ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
