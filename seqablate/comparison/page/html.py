"""The file: template, script, style and data in one, under a policy that lets nothing else run or be fetched."""

from __future__ import annotations

import base64
import hashlib
import json
import shlex
from collections.abc import Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqablate.comparison.arms.cells import infinite
from seqablate.comparison.page.numbers import DIGITS
from seqablate.comparison.page.tables import every_table
from seqablate.comparison.result import Comparison
from seqablate.errors import printable
from seqablate.text import counted, number

if TYPE_CHECKING:
    from jinja2 import Environment

HERE = Path(__file__).parent
STYLES = ("vendor/uPlot.min.css", "page.css")
LIBRARY, LICENCE = "vendor/uPlot.iife.min.js", "vendor/uPlot.LICENSE.txt"  # the licence goes with every copy
PARTS = ("script/data.js", "script/theme.js", "script/tables.js", "script/lines.js", "script/learning.js",
         "script/signals.js", "script/heatmaps.js", "script/runs.js", "script/main.js")  # fmt: skip
# Within a script element these would end it, or be read as markup.
UNSAFE = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def render(comparison: Comparison, data: dict[str, Any], command: Sequence[str] = ()) -> str:
    """The page.

    Args:
        comparison: the numbers of its tables.
        data: of its script, see :func:`seqablate.comparison.page.data.document`.
        command: the words that asked for it.
    """
    from markupsafe import Markup

    styles = [_asset(name) for name in STYLES]
    scripts = [f"/*\n{_asset(LICENCE)}\n*/\n{_asset(LIBRARY)}", "\n".join(map(_asset, PARTS))]
    return (
        _environment()
        .get_template("page.html")
        .render(
            comparison=comparison,
            data=data,
            json=Markup(embedded(data)),
            policy=_policy(scripts, styles),
            styles=[Markup(style) for style in styles],
            library=Markup(scripts[0]),
            script=Markup(scripts[1]),
            scale=comparison.scale,
            level=f"{100 * comparison.level:g} %",
            infinite=infinite(comparison),
            command=shlex.join(command),
            tables=every_table(comparison),
            digits=DIGITS,
            version=metadata.version("seqablate"),
        )
    )


def embedded(data: Any) -> str:
    """JSON as it may stand in a script element.

    Example:
        >>> embedded({"name": "</script>&"})
        '{"name":"\\\\u003c/script\\\\u003e\\\\u0026"}'
    """
    return json.dumps(data, allow_nan=False, separators=(",", ":")).translate(UNSAFE)


@cache
def _asset(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _policy(scripts: Sequence[str], styles: Sequence[str]) -> str:
    """Only these scripts and styles, by their hashes; no request of any kind."""
    return (
        f"default-src 'none'; script-src {_hashes(scripts)}; style-src {_hashes(styles)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hashes(texts: Sequence[str]) -> str:
    digests = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts)
    return " ".join(f"'sha256-{digest}'" for digest in digests)


@cache
def _environment() -> Environment:
    """Jinja, which escapes whatever it inserts and writes control characters as escapes."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    found = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    found.filters |= {"number": number, "counted": counted}
    return found
