"""The two ways a command can end badly, so that every front door treats them alike."""

from __future__ import annotations

MOST_SHOWN = 80  # characters of a value that a message repeats


class UsageError(Exception):
    """The request cannot be carried out as given; nothing has been written.

    The message is one line: what is wrong, where, and what would be right. The command line prints it and
    exits with code 2; Python callers of :func:`seqablate.train` catch it.
    """


class RunFailure(Exception):
    """A run that had begun could not go on (a full disk, too little memory); what it recorded stays.

    The message is one line. The command line prints it and exits with code 1.
    """


def printable(text: str) -> str:
    """``text`` on one line, with every control character written as an escape: safe to print on a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shorten(text: object, most: int = MOST_SHOWN) -> str:
    """``text`` on one line, without control characters; the middle of a long one becomes ``...``.

    Example:
        >>> shorten("x" * 200, most=9)
        'xxx...xxx'
    """
    shown = printable(str(text))
    half = (most - 3) // 2
    return shown if len(shown) <= most else f"{shown[:half]}...{shown[-half:]}"
