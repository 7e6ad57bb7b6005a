"""Memory that a call gives back stays in the process, so that the next call does not have its pages made anew.

glibc takes a block above a threshold from the system and returns it when it is freed. It also returns what lies free at
the end of its heap once that is more than twice the threshold. Every page of such memory costs a page fault when it is
next written to. The threshold is the size of the largest block that the process has so far freed, 128 KiB at first and
32 MiB at most (``M_MMAP_THRESHOLD`` in mallopt(3)), so without :func:`keep_freed` a process pays for thousands of
page faults in each call, or for none, by what else has happened in it and where its blocks lie.
"""

from __future__ import annotations

from functools import cache

import numpy as np

LARGEST = 32 << 20  # bytes, of a block that raises the threshold: DEFAULT_MMAP_THRESHOLD_MAX on 64-bit machines
PAGE = 64 << 10  # bytes, at most, by which an allocator makes a block longer than was asked for


@cache
def keep_freed() -> None:
    """Raise the threshold to its limit, once in a process: a block of that size is taken and freed, and never touched.

    Up to 64 MiB of freed memory then stay in the process. Where ``MALLOC_MMAP_THRESHOLD_`` or its like is set, and in
    another C library, this changes nothing.
    """
    np.empty(LARGEST - PAGE, np.uint8)
