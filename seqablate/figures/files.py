"""Figures as files: the same picture gives the same bytes, and words stay words where the format has them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".pdf")
# Text as text, so that it can be searched and edited; and no names drawn at random inside an SVG file.
SETTINGS: Any = {"svg.fonttype": "none", "svg.hashsalt": "seqablate", "pdf.fonttype": 42}
UNDATED: dict[str, dict[str, Any]] = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}


def save(figure: Figure, path: str | Path) -> Path:
    """Write a figure as PNG, SVG or PDF, by the suffix. No date goes into the file.

    A file of this name is replaced; a link of this name as well, and never what it points to.

    Raises:
        ValueError: the suffix is none of ``.png``, ``.svg`` and ``.pdf``.
    """
    from matplotlib import rc_context

    path = Path(path)
    if path.suffix not in FORMATS:
        raise ValueError(f"cannot draw {path.name!r}: the file name must end in .png, .svg or .pdf")
    content = io.BytesIO()
    with rc_context(SETTINGS):
        figure.savefig(content, format=path.suffix[1:], metadata=UNDATED.get(path.suffix))
    figure.set_layout_engine("none")  # it has its layout now; finding it again would double the time
    path.unlink(missing_ok=True)
    with path.open("xb") as file:
        file.write(content.getvalue())
    return path


def png(figure: Figure) -> bytes:
    """The figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
