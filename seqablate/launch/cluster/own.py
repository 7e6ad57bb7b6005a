"""Folders that a launcher keeps inside of a sweep, which may come from a stranger."""

from __future__ import annotations

import os
from pathlib import Path

from seqablate.errors import UsageError
from seqablate.record.files import is_folder


def own_folder(path: Path) -> Path:
    """``path``, where a folder is or can be made (UsageError if it is a link or a file: nothing may go through it)."""
    if os.path.lexists(path) and not is_folder(path):
        raise UsageError(f"{path} is not a folder of its own: move it away")
    return path
