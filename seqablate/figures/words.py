"""Names and titles in pictures: plain text, drawn with glyphs that exist.

A run may be called ``a$b``, which matplotlib would read as a formula, or have a name in Chinese, in emoji or with
control characters. What no installed font can draw is written as an escape, such as ``\\u4f60``.
"""

from __future__ import annotations

import textwrap
from functools import lru_cache
from typing import TYPE_CHECKING

from seqablate.errors import printable

if TYPE_CHECKING:
    from matplotlib.text import Text

NO_FONTS_FOR_TEXT = ("cm", "STIX", "Last Resort")  # names of fonts for formulas, and of one whose glyphs are boxes


def wrapped(text: str, width: int) -> str:
    """The text in lines of at most ``width`` characters; its own line breaks are kept."""
    return "\n".join(textwrap.fill(line, width, break_on_hyphens=False) for line in text.split("\n"))


def plain(*artists: Text, width: int | None = None) -> None:
    """Draw titles, labels and legend entries letter by letter: no formulas, and no missing glyphs.

    Args:
        artists: matplotlib texts, changed in place.
        width: break their lines after this many characters.
    """
    for artist in artists:
        text, families = _drawable("\n".join(printable(line) for line in artist.get_text().split("\n")))
        if families:
            artist.set_fontfamily([*artist.get_fontfamily(), *families])
        artist.set(parse_math=False, text=wrapped(text, width) if width else text)


def _drawable(text: str) -> tuple[str, list[str]]:
    """The text with escapes for what no font can draw, and the families of the fonts that it needs besides."""
    if text.isascii():
        return text, []
    missing = {c for c in text if c != "\n" and ord(c) not in _first_font()}
    families = []
    for family, path in _other_fonts() if missing else ():
        if found := {c for c in missing if _can_draw(path, c)}:
            families.append(family)
            missing -= found
    return "".join(_escape(c) if c in missing else c for c in text), families


def _escape(character: str) -> str:
    r"""``\u4f60``; nothing for a character that only selects a variant of the one before it."""
    if "\ufe00" <= character <= "\ufe0f":
        return ""
    return ascii(character)[1:-1]


@lru_cache
def _first_font() -> frozenset[int]:
    """The characters that matplotlib's own choice of font can draw."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    return frozenset(get_font(findfont(FontProperties())).get_charmap())


@lru_cache
def _other_fonts() -> tuple[tuple[str, str], ...]:
    """Family and file of every installed font for text, upright and of normal weight."""
    from matplotlib.font_manager import fontManager

    upright = [font for font in fontManager.ttflist if font.style == "normal" and font.weight in (400, "normal")]
    return tuple(sorted({(f.name, str(f.fname)) for f in upright if not f.name.startswith(NO_FONTS_FOR_TEXT)}))


@lru_cache(maxsize=4096)
def _can_draw(path: str, character: str) -> bool:
    """Whether a font file has an outline for a character (fonts of coloured pictures have none)."""
    from matplotlib.font_manager import get_font

    try:
        font = get_font(path)
        if ord(character) not in font.get_charmap():
            return False
        font.set_size(10, 72)
        font.load_char(ord(character))
    except (OSError, RuntimeError):
        return False
    return True
