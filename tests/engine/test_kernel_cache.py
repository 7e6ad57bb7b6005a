"""Machine code on disk: made again when any source that it comes from has changed, and only then."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from seqablate.engine.kernels import cache

HELPER = """
from seqablate.engine.kernels.cache import compiled

@compiled
def helper(x):
    return x + {added}
"""
KERNEL = """
from helpers import helper
from seqablate.engine.kernels.cache import compiled

@compiled
def kernel(x):
    return 10.0 * helper(x)
"""
CALL = """
import sys; sys.path.insert(0, {folder!r})
from numba.core import event
import kernels_of_a_cell as k

class Compiled(event.Listener):
    names = []
    def on_start(self, event):
        self.names.append(event.data["dispatcher"].py_func.__name__)
    def on_end(self, event):
        pass

with event.install_listener("numba:compile", Compiled()):
    print(k.kernel(1.0), *Compiled.names)
"""


@pytest.fixture
def call(tmp_path):
    """The result of the kernel in a process of its own, and what that compiled; ``write`` changes the helper."""

    def write(added: float) -> None:
        (tmp_path / "helpers.py").write_text(HELPER.format(added=added))

    def run(**environment: str) -> list[str]:
        code = CALL.format(folder=str(tmp_path))
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
        return done.stdout.split()

    write(1.0)
    (tmp_path / "kernels_of_a_cell.py").write_text(KERNEL)
    run.write = write
    return run


def test_a_helper_that_changed_in_another_file_is_compiled_again_and_what_has_not_changed_is_not(call):
    """numba's own cache looks at the kernel's file alone: it would go on returning 20."""
    assert call() == ["20.0", "kernel", "helper"]
    call.write(2.0)
    assert call() == ["30.0", "kernel", "helper"]
    assert call() == ["30.0"]


def test_where_nothing_can_be_written_a_kernel_is_compiled_and_not_kept(monkeypatch):
    from numba.core import caching

    def nowhere(locator: object) -> None:
        raise PermissionError

    monkeypatch.setattr(caching._CacheLocator, "ensure_cache_path", nowhere)
    assert cache.compiled(_twice)(3.0) == 6.0
    assert not list(Path(__file__).parent.rglob("test_kernel_cache._twice*.nbi"))


def _twice(x):
    return 2 * x


def test_a_cells_file_is_read_without_loading_numba():
    code = "import sys, seqablate.engine.recurrence; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0
