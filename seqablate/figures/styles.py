"""How many curves are told apart: colour for the first setting, dash for the second, marks for all others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# Told apart with every common form of colour blindness (Okabe & Ito 2008); yellow is left out: too faint on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
DASHES = ("solid", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1.5, 1, 1.5)))
MARKS = (None, "o", "s", "D", "P", "*", "<", ">", "h", "p", "d", "8")

GREY_MARKS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "d", "*")

Look = tuple[int, ...]  # for each setting that differs: which of its values a curve has, from 0


def spread(position: int) -> Look:
    """The look of the n-th curve where there is one setting, or none: all colours first, then the next dash."""
    return position % len(PALETTE), position // len(PALETTE)


def styles(looks: Sequence[Look]) -> list[dict[str, Any]]:
    """Colour, dash and mark of every curve, as ``Axes.plot`` takes them.

    The first setting chooses the colour and the second one the dash. Values beyond the palette, and all other settings,
    choose the mark; a single setting with many values goes on with the next dash.
    """
    pairs = [look if len(look) > 1 else spread(*look) for look in looks]
    rests = [(first // len(PALETTE), second // len(DASHES), *others) for first, second, *others in pairs]
    mark = {rest: number for number, rest in enumerate(sorted(set(rests)))}
    return [
        {
            "color": PALETTE[pair[0] % len(PALETTE)],
            "linestyle": DASHES[pair[1] % len(DASHES)],
            "marker": MARKS[mark[rest] % len(MARKS)],
        }
        for pair, rest in zip(pairs, rests, strict=True)
    ]


def grey_styles(looks: Sequence[Look]) -> list[dict[str, Any]]:
    """Colour and dash of every curve as :func:`styles` has them, and a mark besides, which tells the colours apart.

    So the curves can be told apart in a picture that is printed in black and white.
    """
    told = [(style["color"], style["marker"]) for style in styles(looks)]
    mark = {pair: GREY_MARKS[number % len(GREY_MARKS)] for number, pair in enumerate(dict.fromkeys(told))}
    return [style | {"marker": mark[pair]} for style, pair in zip(styles(looks), told, strict=True)]
