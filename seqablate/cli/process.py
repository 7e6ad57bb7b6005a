"""What a process does with Ctrl-C and with garbage before its first run begins, and from then on."""

from __future__ import annotations

import gc
import os
import signal
import threading
from types import FrameType
from typing import Any


def end_at_once_on_interrupt() -> Any:
    """Until a run begins, Ctrl-C ends the process with one line: an exception inside an import comes out as another.

    Returns:
        The handler to put back; None where SIGINT is not Python's own to handle.
    """
    if threading.current_thread() is not threading.main_thread():
        return None
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return None
    return signal.signal(signal.SIGINT, _end_at_once)


def _end_at_once(number: int, frame: FrameType | None) -> None:
    os.write(2, b"seqablate: interrupted\n")
    os._exit(128 + number)


def begin_run() -> None:
    """All is imported and built: Ctrl-C saves from here on, and garbage is collected again."""
    if signal.getsignal(signal.SIGINT) is _end_at_once:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    _collect_again()


def _collect_again() -> None:
    """Look for garbage again, now that a run begins; not among what has been imported, which stays.

    Once a process: what is frozen is never freed, so the runs of a sweep after the first must not be frozen.
    """
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
