"""Subnormal numbers, flushed to zero for as long as a computation of ours takes.

A gradient that vanishes passes through the numbers below the normal range of float32 (1.2e-38). Many processors take
many times as long for each operation on these. Flushed, they are 0, and a sum that contains some of them is too small:
a norm is right to 1e-5 down to some 1e-34, to 1e-3 at 1e-35, and below that it only says that the gradient vanished.

The setting belongs to a thread (MXCSR on x86, FPCR on ARM). A new thread begins with that of the thread that starts it.
"""

from __future__ import annotations

import ctypes
import threading
from functools import cache
from typing import Any

import torch

_SETTING = ctypes.c_char * 256  # more than any fenv_t
GRAIN = 32768  # entries a thread; with fewer torch does not use another one (at::internal::GRAIN_SIZE)


class _Thread(threading.local):
    """What is known of the calling thread."""

    flushed = False  # by us
    workers = 1  # of torch, started so far


_thread = _Thread()


class flushed:
    """Flush subnormal numbers in the calling thread; its own setting is put back at the end. A context manager.

    Does nothing if the processor or the C library has no way to, or if ``device`` is a GPU: a thread that torch starts
    for it meanwhile would flush for ever. The worker threads of torch (``torch.set_num_threads`` above 1) keep their
    setting.
    """

    def __init__(self, device: torch.device | None = None) -> None:
        self.device = device
        self.setting: Any = None  # of the thread, where it is to be put back

    def __enter__(self) -> None:
        if self.setting is not None:
            raise RuntimeError("flushed() is entered once: make another one")
        library = _library()
        if library is None or _thread.flushed or (self.device is not None and self.device.type != "cpu"):
            return
        _start_workers(torch.get_num_threads())
        self.setting = _SETTING()
        library.fegetenv(self.setting)
        _thread.flushed = torch.set_flush_denormal(True)

    def __exit__(self, *_: object) -> None:
        setting, self.setting = self.setting, None
        if setting is not None:
            _thread.flushed = False
            _library().fesetenv(setting)


@cache
def _library() -> Any:
    """The C library's functions that read and write a thread's floating-point setting; None where there are none."""
    try:
        library = ctypes.CDLL(None)
        if library.fegetenv and library.fesetenv:
            return library
    except (OSError, TypeError, AttributeError):  # TypeError: Windows has no library of the process itself
        pass
    return None


def _start_workers(count: int) -> None:
    """Start torch's worker threads now: one that is started while numbers are flushed would flush for ever."""
    if count > _thread.workers:
        torch.empty(count * GRAIN, dtype=torch.uint8).fill_(0)
        _thread.workers = count
