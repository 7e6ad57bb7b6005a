"""Compiling with numba: at the first call, once for each processor, and again when any source has changed.

numba is imported when the first kernel is called, not before.
"""

from __future__ import annotations

import gc
import glob
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, cached_property, update_wrapper
from inspect import getfile
from pathlib import Path
from types import MappingProxyType
from typing import Any

# Sums may be regrouped and fused; infinities and NaN keep their meaning, because a diverging run must be seen.
OPTIONS = {
    "fastmath": {"contract", "reassoc", "nsz", "arcp"},
    "error_model": "numpy",
    "nogil": True,
    "no_cfunc_wrapper": True,  # no C code calls a kernel
}


class compiled:
    """A function that numba compiles at its first call, and keeps on disk where it finds a place for it.

    Compiled functions call each other. What stands for one in another's code is told numba by ``_numba_type_``.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        update_wrapper(self, function)

    def __call__(self, *arguments: Any) -> Any:
        return self.dispatcher(*arguments)

    @cached_property
    def dispatcher(self) -> Any:
        """numba's: one machine code for each combination of types."""
        return _dispatcher(self.function)

    @cached_property
    def part(self) -> Any:
        """The same for other compiled functions to call: a quarter of the time of compiling is spared.

        It has no code by which Python could call it, and one machine code for all numbers: numba would compile another
        for each number that is written in a call.
        """
        from numba import types

        dispatcher = _dispatcher(self.function, no_cpython_wrapper=True)
        template = dispatcher.get_call_template
        dispatcher.get_call_template = lambda kinds, named: template(
            tuple(map(types.unliteral, kinds)), {name: types.unliteral(kind) for name, kind in named.items()}
        )
        return dispatcher

    @property
    def _numba_type_(self) -> Any:
        return self.part._numba_type_


class inlined(compiled):
    """A part of compiled functions that numba copies to where it is called, before anything is compiled.

    For what is called in one place of a kernel, or is short: as a function of its own it would be compiled, and then
    again in its caller.
    """

    targetoptions = MappingProxyType({"inline": "always"})  # what numba asks of a function that is called

    @property
    def py_func(self) -> Callable[..., Any]:
        """The function, by the name at which numba looks for it."""
        return self.function


def _dispatcher(function: Callable[..., Any], **options: bool) -> Any:
    from numba import njit

    from seqablate.engine.kernels import clip, gates  # noqa: F401, they tell numba what it must know before it compiles

    dispatcher = njit(**OPTIONS, **options)(function)
    dispatcher.compile = _without_collection()(dispatcher.compile)
    if (kept := _on_disk(function, *options)) is not None:
        dispatcher._cache = kept
    return dispatcher


@contextmanager
def _without_collection() -> Iterator[None]:
    """Garbage collection is off, in the whole process: nearly all of the compiler's objects are needed to its end."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _on_disk(function: Callable[..., Any], *options: str) -> Any:
    """Where the machine code of a function is kept; None where neither its folder nor the user's cache can be written.

    numba's own cache looks at the file of the function alone and would keep code whose helpers have changed in another
    file. This one looks at every source in the folder of the function and in the folder of the shared parts.
    """
    cls = _cache_class()
    try:
        kept = cls(function)
    except RuntimeError:
        return None
    kept.options = options
    return kept


@cache
def _cache_class() -> Any:
    from numba.core import caching

    class Stamp:
        """What the code on disk was made from."""

        _py_file: str

        def get_source_stamp(self) -> str:
            return digest(Path(self._py_file).parent, Path(__file__).parent)

    locators = caching.UserProvidedCacheLocator, caching.InTreeCacheLocator, caching.UserWideCacheLocator

    class Implementation(caching.CompileResultCacheImpl):
        _locator_classes = tuple(type(locator.__name__, (Stamp, locator), {}) for locator in locators)

    class FolderCache(caching.FunctionCache):
        _impl_class = Implementation
        options: tuple[str, ...] = ()

        def __init__(self, function: Callable[..., Any]) -> None:
            super().__init__(function)
            stamp = self._impl.locator.get_source_stamp()
            self._cache_file = _files_class()(self._cache_path, self._impl.filename_base, stamp)

        def save_overload(self, signature: Any, data: Any) -> None:
            """One process after the other: two that name their files at the same time would give both one name."""
            with _locked(self._cache_path):
                super().save_overload(signature, data)
                self._cache_file.remove_old()

        def _index_key(self, signature: Any, codegen: Any) -> Any:
            """In words: what a key of numba's holds is loaded with the index, and a clip's package may be gone by then.

            A clip is code that its type stands for, so its name and its folder's sources count as well.
            """
            kinds, *rest = super()._index_key(signature, codegen)
            clips = sorted(set(_classes(getattr(kinds, "args", kinds))), key=str)
            return (
                str(kinds),
                *rest,
                self.options,
                tuple((str(clip), digest(Path(getfile(clip)).parent)) for clip in clips),
            )

    return FolderCache


@cache
def _files_class() -> Any:
    from numba.core import caching

    class Files(caching.IndexDataCacheFile):
        """An index, and one file for each machine code, which the index is written before.

        Code of other sources has other names. With numba's names alone the index of a process that ended right after it
        had written it would lead to a file of old code, for ever; so it leads to none, and code is compiled again.
        """

        def _data_name(self, number: int) -> str:
            return f"{self._source_stamp[:16]}.{super()._data_name(number)}"

        def remove_old(self) -> None:
            """Files of code of other sources."""
            for path in Path(self._cache_path).glob(f"*{glob.escape(self._data_name_pattern.split('{')[0])}*.nbc"):
                if not path.name.startswith(self._source_stamp[:16]):
                    path.unlink(missing_ok=True)

    return Files


@contextmanager
def _locked(folder: str) -> Iterator[None]:
    """Keep other processes out of a folder, where there are locks; the lock ends with the file that it is on."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    os.makedirs(folder, exist_ok=True)  # someone may have removed it since
    file = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def _classes(kinds: Iterable[Any]) -> Iterator[type]:
    """The classes of all named tuples in some types of numba's."""
    for kind in kinds:
        if hasattr(kind, "instance_class"):
            yield kind.instance_class
        yield from _classes(getattr(kind, "types", ()))


@cache
def digest(*folders: Path) -> str:
    """Of the names and contents of all sources in some folders."""
    found = hashlib.sha256()
    for path in sorted({path for folder in folders for path in folder.glob("*.py")}):
        content = path.read_bytes()
        found.update(f"{path.name} {len(content)}\n".encode() + content)
    return found.hexdigest()
