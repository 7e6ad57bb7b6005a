"""Every norm is in the cell of its loss step and timestep, relative to the largest of its row."""

from __future__ import annotations

import numpy as np
import pytest

from seqablate.figures.files import png
from seqablate.figures.panels import RELATIVE, draw_panels

STEPS = np.array([0, 2, 4])


WORDS = {"xlabel": "encoder timestep t", "ylabel": "decoder step s", "unit": "norm"}


def panels(matrices):
    figure = draw_panels({"": matrices}, title="run", relative=True, **WORDS)
    return figure, figure.axes[: len(matrices)]


def test_rows_are_loss_steps_downwards_relative_to_their_largest():
    norms_ST = np.array([[1e-3, 1e-1, 1e-2], [2.0, 20.0, 200.0], [5.0, 5.0, 0.5]])
    _, (axes,) = panels({"encoder h layer 0": (STEPS, norms_ST)})
    (picture,) = axes.collections
    np.testing.assert_allclose(picture.get_array(), [[-2, 0, -1], [-2, -1, 0], [0, 0, -1]], atol=1e-12)
    corners = picture.get_coordinates()
    np.testing.assert_array_equal(corners[0, :, 0], [-0.5, 0.5, 1.5, 2.5])
    np.testing.assert_array_equal(corners[:, 0, 1], [-1, 1, 3, 5])
    assert picture.get_clim() == RELATIVE
    assert axes.yaxis_inverted()
    assert axes.get_title(loc="left") == "encoder h layer 0"


def test_both_directions_have_a_panel_each_and_the_same_colours():
    ones, decay = np.ones((3, 4)), np.tile(10.0 ** -np.arange(4.0), (3, 1))
    _, both = panels({"h": (STEPS, ones), "h reverse": (STEPS, decay)})
    assert {axes.collections[0].get_clim() for axes in both} == {RELATIVE}
    assert all(axes.yaxis_inverted() for axes in both)


@pytest.mark.parametrize(("value", "words"), [(0.0, "grey: 0"), (np.nan, "white: NaN"), (np.inf, "dark red: overflow")])
def test_what_has_no_logarithm_is_explained(value, words):
    figure, (axes,) = panels({"h": (STEPS, np.array([[1.0, value], [value, value], [10.0, 1.0]]))})
    hidden = np.ma.getmaskarray(axes.collections[0].get_array())
    np.testing.assert_array_equal(hidden, [[False, True], [True, True], [False, False]])
    assert figure.get_supxlabel().startswith(words)
    assert png(figure).startswith(b"\x89PNG")


def test_several_runs_have_a_row_of_panels_each():
    one, two = {"h": (STEPS, np.ones((3, 4)))}, {"h": (STEPS, np.ones((3, 4))), "h reverse": (STEPS, np.ones((3, 4)))}
    figure = draw_panels({"first": one, "$econd$": two}, title="pairs", relative=True, **WORDS)
    titles = [axes.get_title(loc="left") for axes in figure.axes[:3]]
    assert titles == ["first\nh", "$econd$\nh", "$econd$\nh reverse"]
    assert png(figure).startswith(b"\x89PNG")


@pytest.mark.parametrize("matrices", [{}, {"h": (STEPS, np.ones((2, 4)))}])
def test_what_cannot_be_drawn_is_refused(matrices):
    with pytest.raises(ValueError, match="coordinate for each row"):
        draw_panels({"": matrices}, title="", **WORDS)


def test_an_absolute_panel_has_its_own_values_upwards_between_its_smallest_and_its_largest():
    values_KT = np.array([[1.0, -3.0], [0.5, np.nan], [np.inf, 2.0]])
    figure = draw_panels({"": {"h": (STEPS, values_KT)}}, title="", log=False, **WORDS)
    axes = figure.axes[0]
    shown = axes.collections[0].get_array()
    np.testing.assert_array_equal(np.ma.filled(shown, 9.0), [[1.0, -3.0], [0.5, 9.0], [9.0, 2.0]])
    assert axes.collections[0].get_clim() == (-3.0, 2.0)
    assert not axes.yaxis_inverted()
    assert figure.axes[-1].get_ylabel() == "norm"


def test_an_absolute_panel_of_norms_is_their_log10():
    figure = draw_panels({"": {"h": (STEPS, np.array([[1e-3, 1.0], [10.0, 0.1], [1.0, 1.0]]))}}, title="", **WORDS)
    np.testing.assert_allclose(figure.axes[0].collections[0].get_array(), [[-3, 0], [1, -1], [0, 0]], atol=1e-12)
    assert figure.axes[-1].get_ylabel() == "log10 of norm"


def test_places_that_do_not_fit_beside_each_other_stand_in_further_rows():
    many = {f"h layer {k}": (STEPS, np.full((3, 4), k + 1.0)) for k in range(8)}
    figure = draw_panels({"": many}, title="", **WORDS)
    named = {axes.get_title(loc="left"): axes for axes in figure.axes}
    assert set(many) < set(named)
    rows = [axes.get_subplotspec().rowspan.start for axes in (named[name] for name in many)]
    assert rows == [0] * 6 + [1] * 2
