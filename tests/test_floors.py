"""The house's one rule about imports: only from lower floors, never sideways between rooms."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "seqablate"
FLOORS = [
    ("errors", "streams", "text"),
    ("config", "signals", "figures"),
    ("record", "engine"),
    ("tasks", "models", "clip", "optim", "schedule", "probe"),
    ("training", "compare"),
    ("assemble", "report"),
    ("api", "extend"),
    ("launch",),
    ("cli",),
    ("__main__",),
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
TORCHLESS = (
    "errors",
    "streams",
    "text",
    "config",
    "signals",
    "figures",
    "record",
    "compare",
    "launch",
    "cli",
    "api",
    "extend",
    "assemble",
)


def sources() -> list[tuple[str, Path]]:
    """(room, file) of every source file but the package's own __init__, which imports lazily by name."""
    files = [p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py"]
    return [(p.relative_to(PACKAGE).parts[0].removesuffix(".py"), p) for p in files]


def imported_rooms(path: Path) -> set[str]:
    """Rooms of seqablate that a file imports anywhere, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("seqablate.")}
    return found


def test_every_room_has_a_floor():
    assert {room for room, _ in sources()} == set(FLOOR)


@pytest.mark.parametrize(
    ("room", "path"), sources(), ids=lambda v: str(v.relative_to(PACKAGE)) if isinstance(v, Path) else v
)
def test_a_file_imports_from_lower_floors_or_its_own_room_only(room, path):
    for other in imported_rooms(path) - {room}:
        assert FLOOR[other] < FLOOR[room], f"{path.name} in {room}/ must not import from {other}/"


@pytest.mark.parametrize("room", TORCHLESS)
def test_rooms_that_promise_it_load_without_torch(room):
    modules = [
        ".".join(("seqablate", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
        for r, path in sources()
        if r == room
    ]
    code = f"import importlib, sys; [importlib.import_module(m) for m in {modules!r}]; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-W", "error", "-c", code], timeout=60).returncode == 0
