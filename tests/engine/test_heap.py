"""Memory that is given back stays in the process: counted by the kernel of the system, in a process of its own."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
import numpy as np
if sys.argv[1] == "kept":
    from seqablate.engine.kernels.heap import keep_freed
    keep_freed()

def use():
    arrays = [np.empty(8 << 20, np.uint8) for _ in range(4)]
    for array in arrays:
        array[::4096] = 1

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

for _ in range(3):
    use()
before = faults()
for _ in range(5):
    use()
print((faults() - before) * resource.getpagesize() / (5 * 4 * (8 << 20)))
"""


def share_of_new_pages(way: str) -> float:
    """How much of the memory that a call writes to had to be made anew."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_TUNABLES"))}
    run = subprocess.run([sys.executable, "-c", PROGRAM, way], env=env, capture_output=True, text=True, check=True)
    return float(run.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have rules of their own")
def test_freed_blocks_are_used_again_without_page_faults() -> None:
    assert share_of_new_pages("kept") < 0.05
    assert share_of_new_pages("as glibc does") > 0.2, "without it nothing is shown"
