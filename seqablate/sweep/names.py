"""Names of the run folders of a sweep: what is swept, ``clip=none,model=lstm,seed=3``; short and unique."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Mapping

from seqablate.comparison.settings import headings

LONGEST = 100  # bytes; claims add to it, and a file name has at most 255


def run_name(swept: Mapping[str, str], taken: Collection[str]) -> str:
    """A folder name for a run, which no name in ``taken`` equals, on any file system.

    Args:
        swept: keys and values, as they are written in an override.
        taken: names that are in use.

    Example:
        >>> run_name({"optim.lr": "0.01", "model": "lstm"}, {"lr=0.01,model=lstm"})
        'lr=0.01,model=lstm-2'
    """
    short = headings(list(swept))
    stem = _fitting(",".join(sorted(f"{short[key]}={_plain(value)}" for key, value in swept.items())) or "run")
    used = {name.casefold() for name in taken}  # some file systems do not tell a from A
    name, number = stem, 1
    while name.casefold() in used:
        number += 1
        name = f"{stem}-{number}"
    return name


def _plain(value: str) -> str:
    """A value without quotes, and without what a folder name cannot have."""
    unquoted = value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value
    return "".join("_" if c in "/\\" or not c.isprintable() else c for c in unquoted)


def _fitting(name: str) -> str:
    """A long name ends with a hash of what was cut off."""
    if len(os.fsencode(name)) <= LONGEST:
        return name
    kept = os.fsencode(name)[: LONGEST - 9].decode(errors="ignore")
    return f"{kept}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
