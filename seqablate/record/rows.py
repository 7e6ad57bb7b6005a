"""One row of the record as a line of strict JSON, and back.

JSON has no NaN and no infinity: they are written as the strings "nan", "inf" and "-inf".
"""

from __future__ import annotations

import json
import math
from typing import Any

VERSION = 2
NON_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
WORDS = ("text", "name", "message", "command")  # never numbers: a model may well write "inf", and a run be called so


def encode(row: dict[str, Any]) -> bytes:
    """The line, with its newline."""
    try:
        text = json.dumps(row, allow_nan=False, separators=(",", ":"))
    except ValueError:
        text = json.dumps(strict(row), allow_nan=False, separators=(",", ":"))
    return text.encode() + b"\n"


def decode(line: bytes) -> dict[str, Any] | None:
    """The row; None for a line that was torn when its writer was killed."""
    try:
        row = json.loads(line)
    except ValueError:
        return None
    if not isinstance(row, dict) or "kind" not in row:
        return None
    whole: dict[str, Any] = loose(row)
    return whole


def strict(value: Any) -> Any:
    """The same value with every non-finite number as its string."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: strict(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [strict(part) for part in value]
    return value


def loose(value: Any) -> Any:
    """The inverse of :func:`strict`."""
    if isinstance(value, str):
        return NON_FINITE.get(value, value)
    if isinstance(value, dict):
        return {key: part if key in WORDS else loose(part) for key, part in value.items()}
    if isinstance(value, list):
        return [loose(part) for part in value]
    return value
