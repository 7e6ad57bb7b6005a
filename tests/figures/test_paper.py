"""Figures of groups for a paper: what is drawn where, that nothing is lost, and what the files are like."""

from __future__ import annotations

import math
import re
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.colors import to_hex

from seqablate.figures.bands import Band, draw_bands
from seqablate.figures.bars import Axis, draw_bars
from seqablate.figures.curve import ENDS, Curve
from seqablate.figures.files import save
from seqablate.figures.paper import WIDTH, Words
from seqablate.figures.scale import Scale
from seqablate.figures.steps import Staircase, draw_steps
from seqablate.figures.styles import PALETTE, grey_styles, styles

NONE, INF = math.nan, math.inf


def words(note="Median.", **levels):
    return Words(xlabel="training step", ylabel="mse", note=note, levels=levels, ends=ENDS)


def band(label="lstm", y=(0.2, 0.1, 0.05), low=(0.1, 0.05, 0.02), high=(0.3, 0.2, 0.1), look=(0,), lost=()):
    x = 50 * np.arange(len(y))
    return Band(Curve(label, np.array(y, dtype=float), x, look), np.array(low, float), np.array(high, float), lost)


def line(figure, marker):
    """The points of the only line with this mark."""
    (found,) = [one for one in figure.axes[0].get_lines() if one.get_marker() == marker]
    return found


def crosses(figure):
    return [
        tuple(map(float, at))
        for one in figure.axes[0].get_lines()
        if one.get_marker() == "x"
        for at in one.get_xydata()
    ]


def outline(figure, number=0):
    """The corners of a band."""
    return {(float(x), float(y)) for path in figure.axes[0].collections[number].get_paths() for x, y in path.vertices}


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_a_band_lies_between_its_borders_and_the_line_holds_the_values():
    figure = draw_bands([band()], words(), scale=Scale(log=False))
    np.testing.assert_array_equal(line(figure, "o").get_xydata(), [[0, 0.2], [50, 0.1], [100, 0.05]])
    assert outline(figure) == {(0, 0.1), (50, 0.05), (100, 0.02), (0, 0.3), (50, 0.2), (100, 0.1)}
    assert legend(figure) == ["lstm"]


def test_a_band_that_reaches_0_or_inf_ends_at_the_edge_of_a_logarithmic_axis_and_has_gaps_where_it_is_unknown():
    y, low, high = (1.0, 0.1, 0.01, 0.01, 0.01), (0.0, 0.05, NONE, 0.005, 0.005), (INF, 0.2, NONE, 0.02, 0.02)
    figure = draw_bands([band(y=y, low=low, high=high)], words())
    bottom, top = figure.axes[0].get_ylim()
    corners = {(0, bottom), (0, top), (50, 0.05), (50, 0.2), (150, 0.005), (150, 0.02), (200, 0.005), (200, 0.02)}
    assert outline(figure) == corners
    assert 0 < bottom < 0.005


def test_a_very_wide_band_leaves_the_picture_and_does_not_flatten_the_curves():
    figure = draw_bands([band(y=(1.0, 0.1), low=(0.5, 1e-30), high=(2.0, 1e30))], words())
    bottom, top = np.log10(figure.axes[0].get_ylim())
    assert top - bottom < 7


def test_where_the_median_is_infinite_its_curve_ends_in_a_mark_at_the_edge():
    figure = draw_bands([band(y=(0.2, 0.3, INF), low=(0.1, 0.1, 0.3), high=(0.3, INF, INF))], words())
    top = figure.axes[0].get_ylim()[1]
    assert line(figure, "^").get_xydata().tolist() == [[100, pytest.approx(top)]]
    assert legend(figure) == ["lstm", "overflow (inf)"]


def test_a_lost_run_is_a_thin_line_of_its_groups_colour_with_a_cross_where_it_ends():
    up, down = Curve("", np.array([0.3, 0.4, INF]), np.array([0, 50, 70])), Curve("", np.array([0.3, -INF]))
    kept, far = Curve("", np.array([0.3, 0.25]), np.array([0, 20])), Curve("", np.array([0.3, 1e9]))
    figure = draw_bands(
        [band(look=(1,), lost=[up, down, kept, far])], words(), scale=Scale(log=False), lost="a seed diverged"
    )
    low, high = figure.axes[0].get_ylim()
    assert crosses(figure) == [(70, high), (1, low), (20, 0.25), (1, high)]
    (thin,) = [one for one in figure.axes[0].get_lines() if len(one.get_xdata()) == 3 and one.get_linewidth() < 1]
    assert thin.get_xydata().tolist() == [[0, 0.3], [50, 0.4], [70, high]]
    assert to_hex(thin.get_color()) == PALETTE[1].lower()
    assert legend(figure) == ["lstm", "a seed diverged"]


def test_a_group_of_which_nothing_is_left_stands_in_the_legend_with_its_lost_runs():
    nothing = Band(Curve("rnn", np.empty(0), look=(0,)), np.empty(0), np.empty(0), [Curve("", np.array([1.0, 0.5]))])
    figure = draw_bands([nothing], words(), lost="a seed diverged")
    assert legend(figure) == ["rnn", "a seed diverged"]
    assert crosses(figure) == [(1, 0.5)]


@pytest.mark.parametrize("scale", [Scale(), Scale(log=False)])
def test_levels_are_lines_with_their_names_and_the_axis_covers_them(scale):
    figure = draw_bands([band()], words(chance=3.0, goal=0.001), scale=scale)
    low, high = figure.axes[0].get_ylim()
    assert low < 0.001
    assert high > 3
    assert {text.get_text(): text.xy[1] for text in figure.axes[0].texts} == {"chance": 3.0, "goal": 0.001}


def test_a_level_without_a_logarithm_is_left_out():
    assert [text.get_text() for text in draw_bands([band()], words(goal=0.0)).axes[0].texts] == []


def test_the_floor_of_float32_is_a_level_where_a_curve_comes_near():
    falls = band(y=10.0 ** -np.arange(0, 60, 12.0), low=np.zeros(5), high=np.ones(5))
    figure = draw_bands([falls], words(), scale=Scale(floor=1e-34))
    assert [(text.get_text(), text.xy[1]) for text in figure.axes[0].texts] == [("float32", 1e-34)]
    assert not draw_bands([band()], words(), scale=Scale(floor=1e-34)).axes[0].texts


def test_colours_and_dashes_are_those_of_other_pictures_and_a_mark_tells_every_colour_apart():
    looks = [(first, second) for first in range(9) for second in range(3)]
    found = grey_styles(looks)
    for grey, style in zip(found, styles(looks), strict=True):
        assert (grey["color"], grey["linestyle"]) == (style["color"], style["linestyle"])
    in_grey = {(style["marker"], str(style["linestyle"])) for style in found}
    assert len(in_grey) == len(looks), "two of them look the same without colour"
    assert len({style["marker"] for style in found}) == 9


LENGTHS = Axis(values=[25, 50, 200], words=["25", "50", "200"])


def bars(label, y, low, high, look):
    return Band(Curve(label, np.array(y), np.array([25.0, 50.0, 200.0]), look), np.array(low), np.array(high))


def test_each_point_has_its_bar_and_points_of_two_groups_stand_beside_each_other():
    groups = [
        bars("lstm", [1.0, 0.8, 0.3], [0.7, 0.5, 0.1], [1.0, 0.9, 0.6], (0,)),
        bars("rnn", [0.9, 0.1, 0.0], [0.6, 0.0, 0.0], [1.0, 0.4, 0.3], (1,)),
    ]
    figure = draw_bars(groups, LENGTHS, words(), scale=Scale(log=False), span=(0, 1))
    (axes,) = figure.axes
    for group, mark, segments in zip(groups, "os", axes.collections, strict=True):
        points = line(figure, mark).get_xydata()
        np.testing.assert_allclose(points[:, 1], group.curve.y)
        np.testing.assert_allclose(points[:, 0], [25, 50, 200], rtol=0.05)
        expected = [[[x, low], [x, high]] for x, low, high in zip(points[:, 0], group.low, group.high, strict=True)]
        np.testing.assert_allclose(segments.get_segments(), expected)
    first, second = (line(figure, mark).get_xdata() for mark in "os")
    assert (first < second).all()
    assert axes.get_xscale() == "log"
    assert axes.get_xticks().tolist() == [25, 50, 200]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["25", "50", "200"]
    assert axes.get_ylim()[0] < 0 < 1 < axes.get_ylim()[1]


def test_a_point_without_an_interval_has_no_bar_and_an_infinite_one_stands_at_the_edge():
    group = bars("lstm", [0.1, INF, 0.3], [NONE, 0.2, NONE], [NONE, INF, NONE], (0,))
    figure = draw_bars([group], LENGTHS, words(), scale=Scale(log=False))
    top = figure.axes[0].get_ylim()[1]
    segments = figure.axes[0].collections[0].get_segments()
    assert [one[:, 1].tolist() for one in segments if len(one)] == [[0.2, top]]
    assert {y for one in figure.axes[0].get_lines() if one.get_marker() == "^" for y in one.get_ydata()} == {top}


def test_settings_that_are_no_powers_or_not_positive_stand_on_a_linear_axis():
    near, zero = Axis(values=[1, 2, 3], words=["1", "2", "3"]), Axis(values=[0, 100], words=["0", "100"])
    assert not near.log
    assert not zero.log
    np.testing.assert_allclose(zero.at(zero.places(np.array([0.0, 25.0]))), [0, 25])
    np.testing.assert_allclose(LENGTHS.at(LENGTHS.places(np.array([25.0, 70.0]))), [25, 70])


def test_shares_are_steps_with_ticks_for_the_censored_and_crosses_for_the_lost():
    group = Staircase("rnn", (0,), np.array([0, 300, 500, 900]), np.array([0, 0.25, 0.5, 0.5]), [400, 900], [100, 600])
    figure = draw_steps([group], words(), tick="not solved", lost="diverged")
    drawn = line(figure, "o")
    assert drawn.get_drawstyle() == "steps-post"
    np.testing.assert_array_equal(drawn.get_xydata(), [[0, 0], [300, 0.25], [500, 0.5], [900, 0.5]])
    assert drawn.get_markevery() == [1, 2]
    assert line(figure, "|").get_xydata().tolist() == [[400, 0.25], [900, 0.5]]
    assert crosses(figure) == [(100, 0), (600, 0.5)]
    assert legend(figure) == ["rnn", "not solved", "diverged"]
    assert legend(draw_steps([Staircase("lstm", (0,), np.array([0, 1]), np.ones(2))], words(), tick="t", lost="l")) == [
        "lstm"
    ]


@pytest.mark.parametrize("count", [1, 4, 12])
@pytest.mark.parametrize(
    "label", ["lstm", "lstm, clip=norm, max_norm=0.25, hidden_size=128, lr=0.001 (n = 10, 3 diverged)"]
)
def test_everything_has_room_in_one_column_of_a_paper(count, label):
    note = "A sentence of some length that has to be broken into lines. " * 4
    figure = draw_bands([band(f"{label} {n}", look=(n,)) for n in range(count)], words(note, chance=0.5, goal=0.01))
    figure.draw_without_rendering()
    page, axes = figure.bbox, figure.axes[0].get_tightbbox()
    above, below = figure.legends[0].get_window_extent(), figure.texts[0].get_window_extent()
    assert figure.get_figwidth() == WIDTH
    for part in (axes, above, below):
        assert part.x0 >= page.x0 - 1
        assert part.x1 <= page.x1 + 1
    assert page.y0 <= below.y0 < below.y1 <= axes.y0 < axes.y1 <= above.y0 + 1 < above.y1 <= page.y1 + 1
    assert figure.axes[0].get_window_extent().height / figure.dpi > 1.4


NAMES = ["a$b", r"\frac{$", "_hidden", "</text><script>", "\u4f60\u597d", "\udcff", "a\x1b[31m"]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_drawn_letter_by_letter(name, tmp_path):
    group = Staircase(name, (0,), np.array([0, 1]), np.ones(2))
    figure = draw_steps([group], Words(xlabel=name, ylabel=name, note=name, levels={}, ends=ENDS), tick="t", lost="l")
    (label,) = legend(figure)
    assert label == name or "\\" in label
    assert "<script>" not in save(figure, tmp_path / "name.svg").read_text()
    save(figure, tmp_path / "name.pdf")


def test_files_hold_words_as_words_and_no_date_and_are_the_same_each_time(tmp_path, monkeypatch):
    code = (
        "import sys\nimport numpy as np\nfrom seqablate.figures.steps import Staircase, draw_steps\n"
        "from seqablate.figures.paper import Words\nfrom seqablate.figures.files import FORMATS, save\n"
        "words = Words(xlabel='training step', ylabel='solved', note='', levels={'chance': 0.25}, ends={})\n"
        "groups = [Staircase('lstm', (0,), np.array([0, 1]), np.ones(2), [1], [0])]\n"
        "figure = draw_steps(groups, words, tick='t', lost='l')\n"
        "for ending in FORMATS: save(figure, sys.argv[1] + ending)\n"
    )
    command = [sys.executable, "-W", "error", "-c", code + "sys.exit('matplotlib.pyplot' in sys.modules)"]
    assert subprocess.run([*command, str(tmp_path / "one")], timeout=60).returncode == 0
    monkeypatch.setattr(sys, "argv", ["", str(tmp_path / "two")])
    exec(code, {})
    for ending in (".png", ".svg", ".pdf"):
        first, second = ((tmp_path / f"{name}{ending}").read_bytes() for name in ("one", "two"))
        assert first == second, ending
    svg, pdf = (tmp_path / "one.svg").read_text(), (tmp_path / "one.pdf").read_bytes()
    assert re.search(r"<text [^>]*>training step</text>", svg)
    assert re.search(r"<text [^>]*>chance</text>", svg)
    assert "<dc:date>" not in svg
    assert b"/CreationDate" not in pdf
    assert b"/Type0" in pdf
    assert b"/Type3" not in pdf
