"""How the house is built: imports go from upper floors to lower ones, in no circle, and nothing in it grows too large.

Imports count wherever they stand, also inside of functions and under TYPE_CHECKING.
"""

from __future__ import annotations

import ast
import statistics
import subprocess
import sys
import tomllib
from collections import Counter
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "seqablate"
FLOORS = [
    ("errors", "streams"),
    ("text", "shape"),
    ("config", "signals", "figures", "statistics"),
    ("record", "engine"),
    ("tasks", "models", "clip", "optim", "schedule", "curriculum", "probe"),
    ("diagnostics", "regularizer"),
    ("training", "comparison"),
    ("assemble", "report"),
    ("extend", "sweep"),
    ("api",),
    ("launch",),
    ("study",),
    ("cli",),
    ("__main__",),
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
TORCHLESS = (
    "errors",
    "streams",
    "text",
    "shape",
    "config",
    "signals",
    "figures",
    "statistics",
    "record",
    "diagnostics",
    "comparison",
    "sweep",
    "launch",
    "study",
    "cli",
    "api",
    "extend",
    "assemble",
)
FOR_WORKERS = "seqablate.launch.preload"  # there to import torch, in a process of its own

# What may be larger than the limits, each with its reason.
LONG_FILES: dict[str, str] = {}
LARGE_FOLDERS: dict[str, str] = {}


def sources() -> list[tuple[str, Path]]:
    """(room, file) of every source file but the package's own __init__, which imports lazily by name."""
    files = sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")
    return [(p.relative_to(PACKAGE).parts[0].removesuffix(".py"), p) for p in files]


def module_of(path: Path) -> str:
    """Its name in an import."""
    return ".".join(("seqablate", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports(path: Path) -> set[str]:
    """What a file imports of seqablate; of ``from seqablate.a import b``: ``seqablate.a.b``, a module or a name."""
    names = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name for name in names if name.startswith("seqablate.")}


@cache
def files() -> dict[str, set[str]]:
    """Module -> the modules that it imports."""
    modules = {module_of(path): imports(path) for _, path in sources()}
    return {
        module: {name if name in modules else name.rpartition(".")[0] for name in names}
        for module, names in modules.items()
    }


def room(module: str) -> str:
    return module.split(".")[1]


def folder(module: str) -> str:
    return module.rpartition(".")[0]


def circle(graph: dict[str, set[str]]) -> list[str]:
    """One circle, from a module back to itself; empty if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from the first statement to the last; of a docstring alone none."""
    body = function.body[ast.get_docstring(function) is not None :]
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def test_every_room_has_a_floor():
    assert {room for room, _ in sources()} == set(FLOOR)


def test_every_folder_is_packaged():
    declared = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {folder(module_of(path / "file.py")) for path in {PACKAGE, *(path.parent for _, path in sources())}}
    assert folders == set(declared) - {"seqablate.configs"}


@pytest.mark.parametrize(
    ("room", "path"), sources(), ids=lambda v: str(v.relative_to(PACKAGE)) if isinstance(v, Path) else v
)
def test_a_file_imports_from_lower_floors_or_its_own_room_only(room, path):
    for other in {name.split(".")[1] for name in imports(path)} - {room}:
        assert FLOOR[other] < FLOOR[room], f"{path.name} in {room}/ must not import from {other}/"


def test_no_file_imports_itself_by_way_of_others():
    found = circle(files())
    assert not found, " imports ".join(reversed(found))


def test_folders_of_one_room_import_each_other_in_one_direction():
    folders: dict[str, set[str]] = {}
    for name, imported in files().items():
        inside = {other for other in imported if other.count(".") > 2 and room(other) == room(name)}
        if name.count(".") > 2:
            folders.setdefault(folder(name), set()).update({folder(other) for other in inside} - {folder(name)})
    assert {"seqablate.models.recurrent", "seqablate.models.seq2seq"} <= set(folders)
    found = circle(folders)
    assert not found, " imports ".join(reversed(found))


def test_a_model_takes_sizes_and_never_a_config():
    """What imports torch when it is loaded is the model's side."""
    for _, path in sources():
        heads = [node for node in tree(path).body if isinstance(node, ast.Import)]
        if path.is_relative_to(PACKAGE / "models") and any(alias.name == "torch" for h in heads for alias in h.names):
            taken = {name.rpartition(".")[2] for name in imports(path)}
            assert not {name for name in taken if name.endswith("Config")}, path


def test_a_variant_is_declared_in_a_file_of_its_name_and_has_a_yaml_of_that_name():
    """Only such a file is imported when variants are asked for."""
    for _, path in sources():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "variant":
                group, name = (ast.literal_eval(word) for word in node.args)
                assert path.stem == name
                assert (PACKAGE.parent / f"configs/{group}/{name}.yaml").is_file()


@pytest.mark.parametrize("room", TORCHLESS)
def test_rooms_that_promise_it_load_without_torch(room):
    modules = [module_of(path) for r, path in sources() if r == room and module_of(path) != FOR_WORKERS]
    code = f"import importlib, sys; [importlib.import_module(m) for m in {modules!r}]; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-W", "error", "-c", code], timeout=60).returncode == 0


def test_no_file_is_longer_than_300_lines_without_a_reason():
    long = {path.relative_to(PACKAGE).as_posix() for _, path in sources() if lines(path) > 300}
    assert long == set(LONG_FILES)


def test_no_folder_holds_more_than_2000_lines_without_a_reason():
    """In its own files: a folder inside of it counts for itself."""
    held: Counter[str] = Counter()
    for _, path in sources():
        held[path.parent.relative_to(PACKAGE).as_posix()] += lines(path)
    assert {folder for folder, count in held.items() if count > 2000} == set(LARGE_FOLDERS)


def test_half_of_all_functions_are_no_longer_than_6_lines():
    lengths = [
        length(node)
        for _, path in sources()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert statistics.median(lengths) <= 6
