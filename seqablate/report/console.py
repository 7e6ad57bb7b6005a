"""The consoles that commands print on. Imports no torch.

Everything a run prints goes through :func:`run_console`: a terminal or a log that goes away, a full disk or an encoding
without our characters must not end a training. What other commands print is their result; only a reader who leaves
(``| head``) is no error there.
"""

from __future__ import annotations

import os
import sys
from typing import Any, TextIO

from rich.console import Console

PIPE_WIDTH = 200  # where there is no terminal: a row a line


class LastingConsole(Console):
    """A rich console that falls silent when its reader goes away (``| head``), where rich would end the process."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        silence(sys.stdout)


class LastingStream:
    """A text stream that loses what it cannot write, and never raises.

    After the first failure everything goes to nowhere, also what is flushed when the process ends.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self.stream = stream or open(os.devnull, "w")  # noqa: SIM115 (a process without standard output)

    def write(self, text: str) -> int:
        try:
            self.stream.write(text)
        except UnicodeEncodeError:
            encoding = self.stream.encoding
            return self.write(text.encode(encoding, "replace").decode(encoding))
        except (OSError, ValueError):  # ValueError: the stream is closed
            silence(self.stream)
        return len(text)

    def flush(self) -> None:
        try:
            self.stream.flush()
        except (OSError, ValueError):
            silence(self.stream)

    def __getattr__(self, name: str) -> Any:
        if name == "rich_proxied_file":  # rich would write past us, and past a picture that stands on the terminal
            raise AttributeError(name)
        return getattr(self.stream, name)


def make_console() -> LastingConsole:
    """Standard output: a terminal at its own width, a file or a pipe at one that folds no row."""
    return _sized(sys.stdout)


def run_console(stderr: bool = False) -> LastingConsole:
    """Standard output, or standard error, for what a run says: writing to it never fails."""
    return _sized(LastingStream(sys.stderr if stderr else sys.stdout))


def _sized(file: Any) -> LastingConsole:
    console = LastingConsole(file=file, highlight=False, emoji=False)  # ":100:" may be a name
    return console if console.is_terminal else LastingConsole(file=file, highlight=False, emoji=False, width=PIPE_WIDTH)


def silence(stream: TextIO) -> None:
    """Send what is still to come to nowhere, so that nobody complains of it when the process ends."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except (OSError, ValueError):  # it has no file descriptor, or is closed
        return


def silence_stdout() -> None:
    silence(sys.stdout)
