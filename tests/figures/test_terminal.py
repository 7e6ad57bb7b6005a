"""Curves as text: where the dots are, how wide it gets, what tells curves apart."""

from __future__ import annotations

import re

import numpy as np
import pytest

from seqablate.figures.curves import Curve
from seqablate.figures.scale import Scale
from seqablate.figures.terminal import plot_curves

WORDS = {"title": "a title", "xlabel": "lag k", "ylabel": "norm"}
LEFT = 9  # characters before the drawing


def plot(*curves: Curve, width: int = 80, height: int = 16, colour: bool = False) -> str:
    return plot_curves(curves, **WORDS, width=width, height=height, colour=colour)


def drawing(text: str, height: int = 16) -> list[str]:
    lines = [line for line in text.splitlines()[2:] if line[: LEFT - 2].strip() not in ("0", "inf", "NaN")]
    return [line[LEFT - 1 :] for line in lines[:height]]


def end_row(text: str, name: str) -> str:
    """The row for values that have no logarithm."""
    (row,) = [line for line in text.splitlines() if line[: LEFT - 1].strip() == name and "┤" in line]
    return row[LEFT:]


def dots(text: str, width: int = 80, height: int = 16) -> np.ndarray:
    """Which of the dots [4 * height, 2 * columns] are set; a letter's cell counts as full."""
    picture = np.zeros((4 * height, 2 * (width - 10)), dtype=bool)
    places = {0: (0, 0), 1: (1, 0), 2: (2, 0), 3: (0, 1), 4: (1, 1), 5: (2, 1), 6: (3, 0), 7: (3, 1)}
    for r, line in enumerate(drawing(text, height)):
        for c, letter in enumerate(line[1:]):
            code = ord(letter) - 0x2800 if 0x2800 <= ord(letter) < 0x2900 else 0xFF * (letter != " ")
            for bit, (down, across) in places.items():
                picture[4 * r + down, 2 * c + across] |= bool(code >> bit & 1)
    return picture


@pytest.mark.parametrize("factor", [0.1, 0.5, 1.3])
def test_an_exponential_is_a_straight_line_from_corner_to_corner(factor):
    y = factor ** np.arange(40.0)
    picture = dots(plot(Curve("exponential", y), colour=False))
    down, across = np.nonzero(picture[:, :-2])  # the last cell holds the letter
    assert set(across) == set(range(138))
    log = np.log10(y)
    bottom, top = np.floor(log.min()), np.ceil(log.max())
    at = np.interp(across / 139 * 39, np.arange(40), log)
    expected = (top - at) / (top - bottom) * 63
    assert np.abs(down - expected).max() <= 1.0


def test_dots_stand_at_the_points():
    picture = dots(plot(Curve("points", np.array([1.0, np.nan, 1e-2, np.nan, 1e-4]))))
    assert np.argwhere(picture[:, :138]).tolist() == [[0, 0], [32, 70]]
    assert picture[60:, 138:].all(), "the letter"


@pytest.mark.parametrize("gap", [np.nan, 0.0, -1.0, np.inf])
def test_what_has_no_logarithm_is_a_gap_that_no_line_crosses(gap):
    y = 0.5 ** np.arange(40.0)
    y[15:25] = gap
    columns = dots(plot(Curve("gap", y))).any(0)
    inside = np.arange(140) / 139 * 39
    assert not columns[(inside > 14.3) & (inside < 24.7)].any()
    assert columns[inside < 14].all()
    assert columns[inside > 25].all()


@pytest.mark.parametrize("width", [10, 40, 61, 80, 200])
def test_the_drawing_keeps_to_the_width_and_to_forty_at_least(width):
    label = "lag k (timesteps before the loss of one step)"
    text = plot_curves([Curve("a", 0.5 ** np.arange(30.0))], title="", xlabel=label, ylabel="", width=width, height=16)
    assert max(map(len, text.splitlines())) <= max(width, 40)
    assert text.splitlines()[-2].split()[0] == "0"
    assert text.splitlines()[-2].split()[-1] == "29"


@pytest.mark.parametrize("height", [4, 16, 30])
def test_the_height_is_that_of_the_drawing(height):
    text = plot(Curve("a", 0.5 ** np.arange(30.0)), height=height)
    assert len(text.splitlines()) == 2 + height + 2 + 1
    assert len(drawing(text, height)) == height


def test_the_axis_names_powers_of_ten_from_top_to_bottom():
    lines = plot(Curve("a", 10.0 ** -np.arange(9.0)), height=17).splitlines()[2:19]
    ticks = {row: line.split()[0] for row, line in enumerate(lines) if "┤" in line}
    assert ticks == {0: "1e+0", 4: "1e-2", 8: "1e-4", 12: "1e-6", 16: "1e-8"}


def test_without_colour_every_curve_carries_its_letter_at_its_right_end():
    text = plot(Curve("low", np.full(9, 1e-3)), Curve("high", np.full(9, 1e2)), Curve("short", np.full(4, 1.0)))
    assert "\x1b" not in text
    rows = {letter: next(r for r, line in enumerate(drawing(text)) if letter in line) for letter in "ABC"}
    columns = {letter: drawing(text)[rows[letter]].index(letter) for letter in "ABC"}
    assert rows["B"] < rows["C"] < rows["A"]
    assert columns["A"] == columns["B"] == 70
    assert columns["C"] < 30
    assert [line.strip() for line in text.splitlines()[-3:]] == ["A low", "B high", "C short"]


def test_curves_that_end_in_one_place_keep_a_letter_each():
    same = 0.5 ** np.arange(9.0)
    picture = "".join(drawing(plot(Curve("one", same), Curve("two", same), Curve("three", same))))
    assert [picture.count(letter) for letter in "ABC"] == [1, 1, 1]


def test_with_colour_every_curve_has_its_own_and_the_text_is_the_same():
    curves = [Curve(f"c{n}", np.full(9, 10.0**n)) for n in range(3)]
    text = plot(*curves, colour=True)
    legend = text.splitlines()[-3:]
    colours = [re.search(r"\x1b\[(\d+)m", line)[1] for line in legend]
    assert len(set(colours)) == 3
    assert all(f"\x1b[{colour}m" in "".join(drawing(text)) for colour in colours)
    assert re.sub(r"\x1b\[\d+m", "", text) == plot(*curves)


@pytest.mark.parametrize(("value", "name"), [(0.0, "0"), (np.inf, "inf"), (np.nan, "NaN")])
def test_a_curve_that_runs_into_what_has_no_logarithm_has_its_letter_in_a_row_of_that_name(value, name):
    y = 0.5 ** np.arange(40.0)
    y[20:] = value
    row = end_row(plot(Curve("whole", 0.5 ** np.arange(40.0)), Curve("ends", y), Curve("ends too", y)), name)
    assert row.index("B") == pytest.approx(20 / 39 * 69, abs=1)
    assert abs(row.index("B") - row.index("C")) == 1
    assert "A" not in row


def test_every_one_of_many_curves_has_a_letter_in_the_drawing():
    curves = [Curve(f"curve {n}", np.array([1.0, 0.1])) for n in range(60)]
    text = plot(*curves)
    letters = [line.split()[0] for line in text.splitlines()[-60:]]
    assert len(set(letters)) == 60
    assert set(letters) <= set("".join(drawing(text)))


def test_the_floor_is_a_line_with_a_word_in_the_legend():
    text = plot_curves([Curve("fades", 10.0 ** -np.arange(50.0))], **WORDS, width=80, scale=Scale(floor=1e-34))
    assert [row for row, line in enumerate(drawing(text)) if "┄" in line] == [14]
    assert text.splitlines()[-1].strip() == "┄ floor of float32 (1e-34): smaller norms are inexact"
    assert "A" in end_row(text, "0")
    near = plot_curves([Curve("stays", 0.5 ** np.arange(9.0))], **WORDS, width=80, scale=Scale(floor=1e-34))
    assert "┄" not in near


def test_long_words_are_folded_and_control_characters_written_out():
    long = Curve("lstm, clip=norm, max_norm=0.25, median over 10 seeds (3 vanished, 0 diverged)\x1b[31m", np.ones(3))
    text = plot_curves([long], title="a title " * 20, xlabel="", ylabel="", width=60)
    assert max(map(len, text.splitlines())) <= 60
    assert "\x1b" not in text
    assert "\\x1b[31m" in text


@pytest.mark.parametrize("curves", [[], [Curve("nothing", np.array([]))]])
def test_nothing_to_draw_is_said(curves):
    assert plot(*curves) == "a title\n(nothing to draw)"


def test_a_curve_without_points_beside_another_is_marked():
    text = plot(Curve("dead", np.zeros(9)), Curve("there", np.ones(9)), Curve("empty", np.array([])))
    assert "A" not in "".join(drawing(text))
    assert end_row(text, "0").startswith("A")
    assert [line.strip() for line in text.splitlines()[-3:]] == ["A dead", "B there", "C empty"]


def test_a_single_point_is_drawn():
    assert dots(plot(Curve("point", np.array([3.0])))).any()


def test_on_a_linear_axis_a_straight_line_leads_through_0_and_the_ticks_are_values():
    text = plot_curves([Curve("exponents", np.linspace(2.0, -1.0, 40))], **WORDS, width=80, scale=Scale(log=False))
    picture = dots(text)
    down, across = np.nonzero(picture[:, :-2])
    assert np.abs(down - across / 139 * 63).max() <= 1.0
    assert [line.split()[0] for line in text.splitlines() if "┤" in line] == ["2", "1.25", "0.5", "-0.25", "-1"]
