"""Curves as figures: the axis, the gaps, the files, and nothing global touched."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.image import imread

from seqablate.figures.curves import PALETTE, Curve, blank, draw_log_curves, png, save

WORDS = {"title": "a title", "xlabel": "lag k", "ylabel": "norm"}


def test_the_axis_is_logarithmic_and_lines_hold_the_values():
    y = 0.5 ** np.arange(9.0)
    (axes,) = draw_log_curves([Curve("fades", y), Curve("late", y, x=np.arange(9) + 100)], **WORDS).axes
    assert axes.get_yscale() == "log"
    assert (axes.get_title(loc="left"), axes.get_xlabel(), axes.get_ylabel()) == ("a title", "lag k", "norm")
    first, second = axes.get_lines()
    np.testing.assert_array_equal(first.get_xydata(), np.column_stack([np.arange(9), y]))
    np.testing.assert_array_equal(second.get_xdata(), np.arange(100, 109))


def test_zero_negative_infinite_and_unknown_values_are_gaps():
    y = np.array([1.0, 0.0, 1e-30, np.nan, -1.0, np.inf, 3.0])
    (axes,) = draw_log_curves([Curve("gaps", y)], **WORDS).axes
    shown = axes.get_lines()[0].get_ydata()
    np.testing.assert_array_equal(shown, [1.0, np.nan, 1e-30, np.nan, np.nan, np.nan, 3.0])


def test_a_point_between_gaps_is_marked_since_no_line_leads_to_it():
    y = np.array([np.nan, 0.1, 0.0, 0.2, 0.3, np.nan, 0.4])
    line = draw_log_curves([Curve("points", y)], **WORDS).axes[0].get_lines()[0]
    assert line.get_marker() == "o"
    assert line.get_markevery() == [1, 6]
    whole = draw_log_curves([Curve("whole", y[3:5])], **WORDS).axes[0].get_lines()[0]
    assert whole.get_marker() == "None"


def test_no_two_of_many_curves_look_alike_and_a_long_legend_stands_beside_them():
    curves = [Curve(f"curve {n}", np.array([1.0, 0.1])) for n in range(4 * len(PALETTE))]
    figure = draw_log_curves(curves, **WORDS)
    lines = figure.axes[0].get_lines()
    assert len({(line.get_color(), str(line._unscaled_dash_pattern)) for line in lines}) == len(curves)
    assert figure.axes[0].get_legend() is None
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [curve.label for curve in curves]
    assert draw_log_curves(curves[:2], **WORDS).axes[0].get_legend() is not None


@pytest.mark.parametrize("y", [[], [np.nan, np.nan], [0.0, 0.0]])
def test_a_curve_with_nothing_to_show_is_drawn_as_an_empty_axis(y, tmp_path):
    assert save(draw_log_curves([Curve("nothing", np.array(y))], **WORDS), tmp_path / "empty.png").stat().st_size > 0


def test_the_suffix_decides_the_format_and_no_other_is_taken(tmp_path):
    figure = draw_log_curves([Curve("fades", 0.5 ** np.arange(9.0))], **WORDS)
    assert imread(save(figure, tmp_path / "curve.png")).shape[:2] == (576, 960)
    assert imread(save(figure, tmp_path / "curve.png"))[..., :3].min() < 0.5
    svg = save(figure, str(tmp_path / "curve.svg")).read_text()
    assert svg.startswith("<?xml")
    assert "<dc:date>" not in svg
    assert png(figure).startswith(b"\x89PNG")
    for name in ("curve.pdf", "curve", "curve.PNG.txt"):
        with pytest.raises(ValueError, match=r"must end in \.png or \.svg"):
            save(figure, tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curve.png", "curve.svg"]


def test_a_blank_figure_has_the_size_asked_for():
    figure, _ = blank(width=3.0, height=2.0)
    assert figure.get_size_inches().tolist() == [3.0, 2.0]


def test_drawing_and_saving_never_import_pyplot(tmp_path):
    code = (
        "import sys\nimport numpy as np\nfrom seqablate.figures.curves import *\n"
        "from seqablate.figures.heatmap import draw_heatmap\n"
        "save(draw_log_curves([Curve('a', np.ones(3))], title='', xlabel='', ylabel=''), sys.argv[1])\n"
        "png(draw_heatmap(np.ones((2, 3)), np.arange(2), title='', label=''))\n"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    words = [sys.executable, "-W", "error", "-c", code, str(tmp_path / "a.svg")]
    assert subprocess.run(words, timeout=60).returncode == 0
