"""Curves as figures: the axis, the gaps, the files, and nothing global touched."""

from __future__ import annotations

import itertools
import subprocess
import sys
import warnings

import numpy as np
import pytest
from matplotlib.image import imread

from seqablate.figures.curve import Curve
from seqablate.figures.curves import blank, draw_curves
from seqablate.figures.files import png, save
from seqablate.figures.scale import Scale
from seqablate.figures.styles import DASHES, MARKS, PALETTE

WORDS = {"title": "a title", "xlabel": "lag k", "ylabel": "norm"}


def drawn(axes):
    """The lines through the points of each curve, without legend entries, marks and dotted links."""
    return [line for line in axes.get_lines() if len(line.get_xdata()) and line.get_linewidth() == 2.0]


def marks(axes, marker):
    lines = [line for line in axes.get_lines() if line.get_marker() == marker and len(line.get_xdata())]
    return [(*line.get_xdata(), *line.get_ydata()) for line in lines]


def legend_words(figure):
    legend = figure.axes[0].get_legend() or figure.legends[0]
    return [text.get_text() for text in legend.get_texts()]


def test_the_axis_is_logarithmic_and_lines_hold_the_values():
    y = 0.5 ** np.arange(9.0)
    (axes,) = draw_curves([Curve("fades", y), Curve("late", y, x=np.arange(9) + 100)], **WORDS).axes
    assert axes.get_yscale() == "log"
    assert (axes.get_title(loc="left"), axes.get_xlabel(), axes.get_ylabel()) == ("a title", "lag k", "norm")
    first, second = drawn(axes)
    np.testing.assert_array_equal(first.get_xydata(), np.column_stack([np.arange(9), y]))
    np.testing.assert_array_equal(second.get_xdata(), np.arange(100, 109))


@pytest.mark.parametrize(
    ("value", "marker", "words", "edge"),
    [(0.0, "v", "0 (below float range)", 0), (np.inf, "^", "overflow (inf)", 1), (np.nan, "X", "NaN", None)],
)
def test_a_curve_that_runs_into_what_has_no_logarithm_ends_in_a_mark(value, marker, words, edge):
    y = np.array([1.0, 0.5, value, value, value])
    figure = draw_curves([Curve("ends", y)], **WORDS)
    (axes,) = figure.axes
    np.testing.assert_array_equal(drawn(axes)[0].get_ydata(), [1.0, 0.5, np.nan, np.nan, np.nan])
    [(x, height)] = marks(axes, marker)
    assert x == 2
    assert height == pytest.approx(0.5 if edge is None else axes.get_ylim()[edge])
    assert legend_words(figure) == ["ends", words]


def test_a_profile_is_marked_at_its_early_end_and_a_gap_at_both():
    (axes,) = draw_curves([Curve("profile", np.array([0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]))], **WORDS).axes
    assert [x for x, _ in marks(axes, "v")] == [1, 3, 5]


def test_a_curve_of_zeros_is_a_mark_and_never_an_empty_axis():
    figure = draw_curves([Curve("dead", np.zeros(4))], **WORDS)
    assert [x for x, _ in marks(figure.axes[0], "v")] == [0]


def test_the_floor_is_a_line_where_a_curve_comes_near_and_smaller_values_count_as_zero():
    y = 10.0 ** -np.arange(0.0, 60.0, 12.0)
    figure = draw_curves([Curve("fades", y)], scale=Scale(floor=1e-34), **WORDS)
    assert legend_words(figure)[1:] == ["0 (below float range)", "floor of float32 (1e-34): smaller norms are inexact"]
    assert [x for x, _ in marks(figure.axes[0], "v")] == [4]
    assert figure.axes[0].get_ylim()[0] > 1e-38
    assert len(legend_words(draw_curves([Curve("stays", y[:3])], scale=Scale(floor=1e-34), **WORDS))) == 1
    assert legend_words(draw_curves([Curve("in float64", y)], **WORDS)) == ["in float64"]


def test_noise_on_a_flat_curve_looks_like_noise():
    (axes,) = draw_curves([Curve("flat", np.array([1.0, 1.1, 0.9]))], **WORDS).axes
    low, high = np.log10(axes.get_ylim())
    assert high - low >= 2


def test_ticks_on_the_horizontal_axis_are_whole_numbers():
    figure = draw_curves([Curve("three layers", np.array([1.0, 0.1, 0.01]))], **WORDS)
    png(figure)
    ticks = figure.axes[0].get_xticks()
    np.testing.assert_array_equal(ticks, np.round(ticks))


def test_a_point_between_gaps_is_marked_since_no_line_leads_to_it():
    y = np.array([np.nan, 0.1, 0.0, 0.2, 0.3, np.nan, 0.4])
    (axes,) = draw_curves([Curve("points", y)], **WORDS).axes
    [dots] = [line.get_xdata().tolist() for line in axes.get_lines() if line.get_marker() == "o"]
    assert dots == [1, 6]


def look(line):
    return line.get_color(), str(line._unscaled_dash_pattern), line.get_marker()


def test_no_two_of_many_curves_look_alike_and_a_long_legend_stands_beside_them():
    curves = [Curve(f"curve {n}", np.array([1.0, 0.1])) for n in range(len(MARKS) * len(DASHES) * len(PALETTE))]
    figure = draw_curves(curves[:56], **WORDS)
    assert len({look(line) for line in drawn(figure.axes[0])}) == 56
    assert figure.axes[0].get_legend() is None
    assert legend_words(figure) == [curve.label for curve in curves[:56]]
    assert draw_curves(curves[:2], **WORDS).axes[0].get_legend() is not None


def test_the_first_setting_is_the_colour_and_the_second_the_dash():
    looks = list(itertools.product(range(3), range(4), range(3)))
    curves = [Curve(str(settings), np.array([1.0, 0.1]), look=settings) for settings in looks]
    lines = dict(zip(looks, map(look, drawn(draw_curves(curves, **WORDS).axes[0])), strict=True))
    assert len(set(lines.values())) == 36
    assert all(colour == PALETTE[settings[0]] for settings, (colour, _, _) in lines.items())
    assert len({(settings[1], dash) for settings, (_, dash, _) in lines.items()}) == 4


@pytest.mark.parametrize("count", [1, 7, 36, 60])
def test_a_legend_is_never_cut(count):
    words = "lstm, clip=norm, max_norm=0.25, hidden_size=128, lr=0.001 (encoder c), median over 10 seeds (3 vanished)"
    figure = draw_curves([Curve(f"{n} {words}", np.array([1.0, 0.1])) for n in range(count)], **WORDS)
    figure.draw_without_rendering()
    whole, page = figure.legends[0].get_window_extent(), figure.bbox
    assert 0 <= whole.x0 < whole.x1 <= page.x1
    assert 0 <= whole.y0 < whole.y1 <= page.y1
    assert figure.axes[0].get_window_extent().x1 < whole.x0


NAMES = ["a$b", "$x^$", r"\frac{$", "_hidden", "$$$", "\u4f60\u597d", "\U0001f9ea x", "\udcff", "a\x1b[31m"]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_drawn_as_text_without_a_warning(name, tmp_path):
    figure = draw_curves([Curve(name, np.array([1.0, 0.1]))], title=name, xlabel=name, ylabel=name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save(figure, tmp_path / "name.png")
        save(figure, tmp_path / "name.svg")
    (label,) = legend_words(figure)
    assert label.isprintable()
    assert label == name or "\\" in label
    (axes,) = figure.axes
    texts = [axes.xaxis.label, axes.yaxis.label, *axes.get_legend().get_texts()]
    assert not any(text.get_parse_math() for text in texts)


def test_a_picture_replaces_a_link_and_never_what_it_points_to(tmp_path):
    decoy = tmp_path / "decoy"
    decoy.write_text("untouched")
    (tmp_path / "curve.png").symlink_to(decoy)
    path = save(draw_curves([Curve("a", np.ones(3))], **WORDS), tmp_path / "curve.png")
    assert decoy.read_text() == "untouched"
    assert not path.is_symlink()
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("y", [[], [np.nan, np.nan], [0.0, 0.0]])
def test_a_curve_with_nothing_to_show_is_drawn_as_an_empty_axis(y, tmp_path):
    assert save(draw_curves([Curve("nothing", np.array(y))], **WORDS), tmp_path / "empty.png").stat().st_size > 0


def test_the_suffix_decides_the_format_and_no_other_is_taken(tmp_path):
    figure = draw_curves([Curve("fades", 0.5 ** np.arange(9.0))], **WORDS)
    assert imread(save(figure, tmp_path / "curve.png")).shape[:2] == (576, 960)
    assert imread(save(figure, tmp_path / "curve.png"))[..., :3].min() < 0.5
    svg = save(figure, str(tmp_path / "curve.svg")).read_text()
    assert svg.startswith("<?xml")
    assert "<dc:date>" not in svg
    assert png(figure).startswith(b"\x89PNG")
    assert save(figure, tmp_path / "curve.pdf").read_bytes().startswith(b"%PDF")
    for name in ("curve.eps", "curve", "curve.PNG.txt"):
        with pytest.raises(ValueError, match=r"must end in \.png, \.svg or \.pdf"):
            save(figure, tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curve.pdf", "curve.png", "curve.svg"]


def test_a_blank_figure_has_the_size_asked_for():
    figure, _ = blank(width=3.0, height=2.0)
    assert figure.get_size_inches().tolist() == [3.0, 2.0]


def test_drawing_and_saving_never_import_pyplot(tmp_path):
    code = (
        "import sys\nimport numpy as np\nfrom seqablate.figures.curve import Curve\n"
        "from seqablate.figures.curves import draw_curves\n"
        "from seqablate.figures.files import png, save\n"
        "from seqablate.figures.quick import heatmap_png\n"
        "save(draw_curves([Curve('a', np.ones(3))], title='', xlabel='', ylabel=''), sys.argv[1])\n"
        "heatmap_png(np.ones((2, 3)), np.arange(2), title='', label='')\n"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    words = [sys.executable, "-W", "error", "-c", code, str(tmp_path / "a.svg")]
    assert subprocess.run(words, timeout=60).returncode == 0


def test_on_a_linear_axis_values_below_0_are_points_and_infinities_stand_at_its_edges():
    y = np.array([-2.0, 0.0, 1.0, np.inf, -np.inf, -1.0, np.nan])
    figure = draw_curves([Curve("exponents", y)], scale=Scale(log=False), **WORDS)
    (axes,) = figure.axes
    assert axes.get_yscale() == "linear"
    np.testing.assert_array_equal(drawn(axes)[0].get_ydata(), [-2.0, 0.0, 1.0, np.nan, np.nan, -1.0, np.nan])
    low, high = axes.get_ylim()
    assert low < -2.0
    assert high > 1.0
    assert marks(axes, "^")[0] == (3, high)
    assert marks(axes, "v")[0] == (4, low)
    assert legend_words(figure) == ["exponents", "overflow (inf)", "NaN", "-inf"]
