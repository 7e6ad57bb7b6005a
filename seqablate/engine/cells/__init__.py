"""The cells there are, one file each: whatever stands in this folder and lists its ``CELLS`` is one of them."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from seqablate.engine.cell import Cell

CELLS: dict[str, Cell] = {
    cell.name: cell for file in iter_modules(__path__) for cell in import_module(f"{__name__}.{file.name}").CELLS
}
