"""Lines of text on a console, as they are: no markup, no control characters."""

from __future__ import annotations

import textwrap

from rich.console import Console
from rich.text import Text

from seqablate.errors import printable
from seqablate.report.console import run_console

LONGEST_SAMPLE = 150  # characters of a generated text
INDENT = "    "  # of what a narrow terminal moves to another line


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


def one_line(text: str, style: str = "") -> Text:
    """An indented line of the picture, cut where the terminal ends."""
    return Text(f"  {text}", style=style, no_wrap=True, overflow="ellipsis")


def sample_words(text: str) -> str:
    """The beginning of a generated text, on one line."""
    return " ".join(text.split())[:LONGEST_SAMPLE]


def say(line: str) -> None:
    """A line on standard output, if anyone is reading still."""
    run_console().print(line, markup=False, emoji=False, soft_wrap=True)


def complain(text: str) -> None:
    """Lines on standard error, likewise."""
    run_console(stderr=True).print(text, markup=False, emoji=False, soft_wrap=True)
