"""Which files compute a run: those of seqablate that every run uses, and those of the variants that its config chooses.

A file is known by its name (``seqablate/clip/norm.py``) and a hash of its bytes, which is read once a process: what is
imported does not change when its file does.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from seqablate.config.registry import GROUPS, SEVERAL, registered
from seqablate.config.schema import TrainConfig

PACKAGE = Path(__file__).parents[1]
COMPUTING = (
    "tasks",
    "models",
    "regularizer",
    "clip",
    "optim",
    "schedule",
    "curriculum",
    "engine",
    "probe",
    "diagnostics",
    "training",
    "signals",
    "streams.py",
    "assemble.py",
)
DIGITS = 16  # of a hash
VARIANT = re.compile(rb"^@variant\(", re.MULTILINE)
IMPORT = re.compile(rb"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]+(\([^)]*\)|.*)|import[ \t]+(.*))", re.MULTILINE)
NAME = re.compile(rb"[\w.]+")
INSTALLED = ("site-packages", "dist-packages")  # folders in which modules of different packages stand side by side


@dataclass(frozen=True)
class Source:
    """A file of Python.

    Attributes:
        root: the folder from which it is imported.
        path: the file.
    """

    root: Path
    path: Path

    @cached_property
    def name(self) -> str:
        return self.path.relative_to(self.root).as_posix()

    @property
    def module(self) -> str:
        return self.name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @cached_property
    def content(self) -> bytes:
        return self.path.read_bytes()

    @cached_property
    def hash(self) -> str:
        return hashlib.sha256(self.content).hexdigest()[:DIGITS]

    @cached_property
    def is_variant(self) -> bool:
        return VARIANT.search(self.content) is not None

    @cached_property
    def imports(self) -> set[str]:
        """What it may import: of ``from a import b`` both ``a`` and ``a.b``."""
        found = set()
        for module, names, modules in IMPORT.findall(self.content):
            found |= {name.decode() for name in NAME.findall(module or modules)}
            found |= {f"{module.decode()}.{name.decode()}" for name in NAME.findall(names)}
        return found


def sources(config: TrainConfig) -> dict[str, str]:
    """The hash (16 hexadecimal digits) of every file that computes a run, by its name; sorted.

    Of seqablate these are all files of the rooms that compute, except the files of variants that the config has not
    chosen and that nothing imports. Of another package they are its files, all of them: see :func:`_package`.

    Args:
        config: its chosen variants count, not their values.
    """
    return sources_of(chosen_modules(config))


def chosen_modules(config: TrainConfig) -> frozenset[str]:
    """Where the variants that a config has chosen are declared."""
    groups: list[tuple[str, Any]] = [(group, getattr(config, group)) for group in GROUPS]
    parts = [part for group, value in groups for part in (value.values() if group in SEVERAL else [value])]
    parts += [inner for part in parts for inner in getattr(part, "configs", ())]  # of a chain of clips
    return frozenset(type(part).__module__ for part in parts)


@cache
def sources_of(chosen: frozenset[str]) -> dict[str, str]:
    """:func:`sources` of every config whose variants are declared in these modules."""
    own = _own()
    foreign = [file for module in chosen - own.keys() for file in _package(module)]
    files = [*foreign, *(file for module, file in own.items() if module in chosen or not file.is_variant)]
    left = {module: file for module, file in own.items() if module not in chosen and file.is_variant}
    for file in files:  # grows: a variant may build on another one, as adamw does on adam
        files += [left.pop(module) for module in file.imports & left.keys()]
    return dict(sorted((file.name, file.hash) for file in files))


def read_sources() -> None:
    """Read every file that may count for a run, now that it is imported.

    For a process that works for hours, or starts others: it goes on with what it has imported, whatever is edited
    meanwhile, and its runs say so.
    """
    own = _own()
    modules = {cls.__module__ for (group, _), cls in registered().items() if group in GROUPS}
    for file in [*own.values(), *(file for module in modules - own.keys() for file in _package(module))]:
        file.hash  # noqa: B018  (read, and kept)


@cache
def _own() -> dict[str, Source]:
    """The files of the rooms that compute, by module."""
    paths = (path for name in COMPUTING for path in _python_files(PACKAGE / name))
    return {file.module: file for file in (Source(PACKAGE.parent, path) for path in paths)}


@cache
def _package(module: str) -> list[Source]:
    """The files of another package: all of those under the name at the front of ``module``.

    With them go packages and modules beside it that it imports, unless it is installed among those of others.
    """
    found: dict[Path, Source] = {}
    tops = _tops(module.partition(".")[0])
    for top in tops:  # grows
        files = [Source(top.parent, path) for path in _python_files(top) if path not in found]
        found |= {file.path: file for file in files}
        if top.parent.name not in INSTALLED:
            tops += [beside for file in files for beside in _beside(top.parent, file.imports) if beside not in tops]
    return list(found.values())


def _tops(name: str) -> list[Path]:
    """The folders of a package, or the file of a module; nothing if neither is a file (a notebook)."""
    module = sys.modules.get(name)
    folders = [Path(folder) for folder in getattr(module, "__path__", ())]
    file = getattr(module, "__file__", None)
    return folders or [Path(file) for file in (file,) if file and file.endswith(".py")]


def _beside(folder: Path, imported: Iterable[str]) -> Iterator[Path]:
    for name in sorted({name.partition(".")[0] for name in imported} - {"", PACKAGE.name}):
        if (folder / name / "__init__.py").is_file():
            yield folder / name
        elif (folder / f"{name}.py").is_file():
            yield folder / f"{name}.py"


def _python_files(path: Path) -> Iterator[Path]:
    """A file itself, or all in a folder and below, without hidden folders."""
    if path.is_file():
        yield path
    for found in sorted(path.rglob("*.py")):
        if not any(part.startswith(".") for part in found.relative_to(path).parts):
            yield found
