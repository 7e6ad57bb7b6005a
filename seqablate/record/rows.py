"""One row of the record as a line of strict JSON, and back.

JSON has no NaN and no infinity: they are written as the words "nan", "inf" and "-inf", and read as numbers wherever
:mod:`seqablate.record.schema` declares a number.
"""

from __future__ import annotations

import json
import math
from typing import Any

from seqablate.record.schema import ROWS
from seqablate.record.shape import Misfit, compiled, plain

DECODER = json.JSONDecoder()
CHECKS = {kind: compiled(declared) for kind, declared in ROWS.items()}


def encode(row: dict[str, Any]) -> bytes:
    """The line, with its newline."""
    try:
        text = json.dumps(row, allow_nan=False, separators=(",", ":"))
    except ValueError:
        text = json.dumps(strict(row), allow_nan=False, separators=(",", ":"))
    return text.encode() + b"\n"


def decode(line: bytes) -> dict[str, Any] | None:
    """The row; None for a line that is none, such as one that was torn when its writer was killed.

    Raises:
        Misfit: a row of a known kind that is not as declared.
    """
    try:
        row = DECODER.decode(line.decode())  # json.loads would look for the encoding of every line
    except RecursionError:
        raise Misfit("is nested too deeply") from None
    except ValueError:
        return None
    if not isinstance(row, dict) or not isinstance(kind := row.get("kind"), str):
        return None
    check = CHECKS.get(kind, plain)
    whole: dict[str, Any] = check(row)
    return whole


def strict(value: Any) -> Any:
    """The same value with every non-finite number as its word."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: strict(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [strict(part) for part in value]
    return value
