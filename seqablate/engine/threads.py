"""How many CPU threads torch uses, for as long as something takes.

The order in which threads add numbers shows in the last digits, so whatever a seed decides is computed with a number of
threads that does not depend on the process.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def using_threads(count: int) -> Iterator[None]:
    """So many threads; what the process had is put back."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
