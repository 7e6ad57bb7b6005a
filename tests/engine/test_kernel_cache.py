"""Machine code on disk: made again when any source that it comes from has changed, and only then."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from seqablate.engine.kernels import cache

SOURCES = {
    "helpers.py": """
from seqablate.engine.kernels.cache import compiled

@compiled
def helper(x):
    return x + 1.0
""",
    "cell.py": """
from helpers import helper
from seqablate.engine.kernels.cache import compiled
from seqablate.engine.kernels.clip import change

@compiled
def kernel(x):
    return 10.0 * helper(x)

@compiled
def clipped(clip, d):
    change(clip, d, 1)
    return d[0]
""",
    "clips/limit.py": """
from typing import NamedTuple

class Limit(NamedTuple):
    largest: float

    def rows(self, d, D):
        d[0] = self.largest
        return True
""",
}
CALL = """
import sys; sys.path[:0] = [{folder!r}, {folder!r} + "/clips"]
import numpy as np
from numba.core import event
import cell
{clip}

class Compiled(event.Listener):
    names = []
    def on_start(self, event):
        self.names.append(event.data["dispatcher"].py_func.__name__)
    def on_end(self, event):
        pass

with event.install_listener("numba:compile", Compiled()):
    print(cell.kernel(1.0), cell.clipped(clip, np.zeros(1)), cell.helper(1.0), *Compiled.names)
"""


def test_code_is_compiled_again_when_what_it_calls_has_changed_in_another_file_and_only_then(tmp_path):
    """numba's own cache looks at the kernel's file alone: it would go on returning 20 and 3."""

    def write(name: str, old: str = "", new: str = "") -> None:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(SOURCES[name].replace(old, new))

    def call(clip: str = "from limit import Limit; clip = Limit(3.0)") -> list[str]:
        code = CALL.format(folder=str(tmp_path), clip=clip)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
        return done.stdout.split()

    for name in SOURCES:
        write(name)
    assert call() == [
        "20.0",
        "3.0",
        "2.0",
        "kernel",
        "helper",
        "clipped",
        "rows",
        "helper",
    ]  # for the kernel, for Python
    write("helpers.py", "1.0", "2.0")
    assert call() == ["30.0", "3.0", "3.0", "kernel", "helper", "clipped", "rows", "helper"]
    write("clips/limit.py", "self.largest\n", "-self.largest\n")
    assert call() == ["30.0", "-3.0", "3.0", "clipped", "rows"]
    (tmp_path / "clips/limit.py").unlink()  # a package that is no longer installed
    assert call("clip = ()") == ["30.0", "0.0", "3.0", "clipped", "<lambda>"]


SMALLEST = """
import sys; sys.path.insert(0, {folder!r})
{first}
import cell
print(cell.kernel(1.0))
"""
KILLED = "import os; from numba.core import caching; caching.IndexDataCacheFile._save_data = lambda *_: os._exit(9)"
WITHOUT_A_FOLDER = """
import shutil; from pathlib import Path; from seqablate.engine.kernels import cache
cache._locked = lambda folder, lock=cache._locked: (shutil.rmtree(folder), lock(folder))[1]
"""


def smallest_call(tmp_path: Path, value: str, first: str = "") -> subprocess.CompletedProcess[str]:
    """What the kernel returns in a process of its own, where ``value`` is added."""
    (tmp_path / "cell.py").write_text(SOURCES["helpers.py"].replace("helper", "kernel").replace("1.0", value))
    code = SMALLEST.format(folder=str(tmp_path), first=first)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)


def test_a_process_that_ends_while_it_writes_leaves_no_old_code_under_a_new_name(tmp_path):
    assert smallest_call(tmp_path, "1.0").stdout == "2.0\n"
    assert smallest_call(tmp_path, "2.0", KILLED).returncode == 9
    assert smallest_call(tmp_path, "2.0").stdout == "3.0\n"
    assert smallest_call(tmp_path, "1.0").stdout == "2.0\n"
    assert len(list(tmp_path.rglob("*.nbc"))) == 1


def test_a_folder_that_is_removed_while_code_is_compiled_is_made_again(tmp_path):
    done = smallest_call(tmp_path, "1.0", WITHOUT_A_FOLDER)
    assert (done.stdout, done.stderr) == ("2.0\n", "")
    assert len(list(tmp_path.rglob("*.nbc"))) == 1


@pytest.fixture
def nowhere_to_write(monkeypatch):
    from numba.core import caching

    def nowhere(locator: object) -> None:
        raise PermissionError

    monkeypatch.setattr(caching._CacheLocator, "ensure_cache_path", nowhere)


def test_where_nothing_can_be_written_a_kernel_is_compiled_and_not_kept(nowhere_to_write):
    assert cache.compiled(_twice)(3.0) == 6.0
    assert not list(Path(__file__).parent.rglob("test_kernel_cache._twice*.nbi"))


def _twice(x):
    return 2 * x


def test_numbers_that_are_written_in_a_call_do_not_each_have_code_compiled_for_them(nowhere_to_write):
    """numba's own functions would have three signatures, one for each number, and compile each for seconds."""
    power = cache.compiled(lambda x, n: x**n)
    sum_of_powers = cache.compiled(lambda x: power(x, 1) + power(x, 2) + power(x, n=3))
    assert sum_of_powers(2.0) == 14.0
    assert len(power.part.signatures) == 1


def test_a_cells_file_is_read_without_loading_numba():
    code = "import sys, seqablate.engine.recurrence; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0


def test_what_is_compiled_is_written_by_one_process_after_the_other(monkeypatch):
    """numba gives a new file the next free number: two processes would give two codes one name."""
    from numba.core import caching

    order = []
    monkeypatch.setattr(caching.FunctionCache, "save_overload", lambda *_: order.append("written"))
    kept = cache._on_disk(_twice)
    other = threading.Thread(target=kept.save_overload, args=(None, None))
    with cache._locked(kept._cache_path):
        other.start()
        other.join(0.2)
        order.append("the first is done")
    other.join()
    assert order == ["the first is done", "written"]


def test_garbage_is_not_collected_while_a_kernel_is_compiled_and_is_again_afterwards(nowhere_to_write):
    """Also where the kernel cannot be compiled. A caller who has turned collection off finds it off."""
    from numba.core import event
    from numba.core.errors import TypingError

    class Collecting(event.Listener):
        def __init__(self):
            self.seen = []

        def on_start(self, event):
            self.seen.append(gc.isenabled())

        def on_end(self, event):
            pass

    @cache.compiled
    def one_more(x):
        return x + 1.0

    with event.install_listener("numba:run_pass", Collecting()) as collecting:
        assert one_more(1.0) == 2.0
        assert collecting.seen
        assert gc.isenabled()
        with pytest.raises(TypingError):
            one_more("word")
        assert gc.isenabled()
        gc.disable()
        try:
            assert one_more(1) == 2.0
            assert not gc.isenabled()
        finally:
            gc.enable()
    assert not any(collecting.seen)
