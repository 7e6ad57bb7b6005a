"""What every command about studies prints with."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from seqablate.report.console import make_console
from seqablate.report.lines import print_line

VERSION = 1  # of --json


def print_result(data: dict[str, Any], lines: Iterable[str], *, as_json: bool) -> None:
    """The lines, or the data as JSON."""
    if as_json:
        print(json.dumps({"version": VERSION, **data}, indent=1, allow_nan=False, ensure_ascii=False))
        return
    console = make_console()
    for line in lines:
        print_line(console, line)
