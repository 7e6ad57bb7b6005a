"""The heatmap holds log10 of every norm in the cell of its timestep and training step."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from seqablate.figures.files import png
from seqablate.figures.heatmap import MOST_COLUMNS, SPAN, draw_heatmap, edges
from seqablate.figures.quick import heatmap_png


def mesh(norms_ST: np.ndarray, steps_S: np.ndarray):
    figure = draw_heatmap(norms_ST, steps_S, title="run: h layer 0", label="the norm")
    return figure, figure.axes[0].collections[0]


def test_every_value_is_in_its_cell():
    norms_ST = 10.0 ** np.arange(-6.0, 0.0).reshape(2, 3)
    figure, picture = mesh(norms_ST, np.array([0, 10]))
    np.testing.assert_allclose(picture.get_array(), np.log10(norms_ST).T)  # [timestep, training step]
    corners = picture.get_coordinates()
    np.testing.assert_array_equal(corners[0, :, 0], [-5, 5, 15])
    np.testing.assert_array_equal(corners[:, 0, 1], [-0.5, 0.5, 1.5, 2.5])
    assert figure.axes[0].get_title(loc="left") == "run: h layer 0, steps 0 to 10"
    assert figure.axes[1].get_ylabel() == "log10 of the norm"


def test_unequal_gaps_between_measurements_stay_true_to_scale():
    _, picture = mesh(np.ones((3, 2)), np.array([0, 10, 100]))
    np.testing.assert_array_equal(picture.get_coordinates()[0, :, 0], [-5, 5, 55, 145])


def test_zero_overflow_and_nan_have_a_colour_each_and_are_explained():
    norms_ST = np.array([[1.0, 0.0], [np.nan, 0.1], [np.inf, 10.0]])
    figure, picture = mesh(norms_ST, np.array([0, 1, 2]))
    hidden = np.ma.getmaskarray(picture.get_array())
    np.testing.assert_array_equal(hidden, [[False, True, True], [True, False, False]])
    zero, overflow = (np.ma.getmaskarray(cells.get_array()) for cells in figure.axes[0].collections[1:])
    assert np.argwhere(~zero).tolist() == [[1, 0]]
    assert np.argwhere(~overflow).tolist() == [[0, 2]]
    (note,) = figure.texts
    assert note.get_text() == "grey: 0 (below float range)   dark red: overflow (inf)   white: NaN or not measured"
    whole, _ = mesh(np.ones((3, 2)), np.arange(3))
    assert whole.texts[0].get_text() == ""


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e20])
def test_every_run_has_the_same_colours(scale):
    _, picture = mesh(scale * np.array([[1e-3, 1.0], [0.5, 0.1]]), np.array([0, 10]))
    assert picture.get_clim() == SPAN
    assert picture.colorbar.extend == "both"


def test_a_long_run_is_thinned_to_its_first_last_and_evenly_chosen_steps():
    steps_S = np.arange(0, 50_000, 10)
    norms_ST = np.tile(1.0 + steps_S[:, None], (1, 2))
    _, picture = mesh(norms_ST, steps_S)
    shown = 10 ** np.asarray(picture.get_array())[0] - 1
    assert len(shown) == MOST_COLUMNS
    assert shown[0] == pytest.approx(0, abs=1e-6)
    assert shown[-1] == pytest.approx(steps_S[-1])
    assert np.ptp(np.diff(shown)) <= 10 + 1e-6


@pytest.mark.parametrize("norms_ST", [np.ones((1, 1)), np.full((2, 3), np.nan), np.zeros((2, 3))])
def test_a_single_cell_or_nothing_known_can_be_drawn(norms_ST):
    figure, _ = mesh(norms_ST, np.arange(len(norms_ST)))
    assert png(figure).startswith(b"\x89PNG")


@pytest.mark.parametrize(("rows", "steps"), [(0, 0), (2, 3)])
def test_rows_and_steps_must_agree(rows, steps):
    with pytest.raises(ValueError, match="rows of values"):
        draw_heatmap(np.ones((rows, 4)), np.arange(steps), title="", label="")


def test_values_as_they_are_keep_their_sign_and_the_colours_reach_from_the_smallest_to_the_largest():
    values_ST = np.array([[-1.0, 0.0, 2.0], [0.5, np.nan, 1.0]])
    figure = draw_heatmap(values_ST, np.array([0, 10]), title="run", label="exponent", log=False)
    (picture,) = figure.axes[0].collections
    np.testing.assert_array_equal(np.ma.filled(picture.get_array(), 9.0), [[-1.0, 0.5], [0.0, 9.0], [2.0, 1.0]])
    assert picture.get_clim() == (-1.0, 2.0)
    assert figure.axes[1].get_ylabel() == "exponent"


def pixels(data: bytes) -> np.ndarray:
    """[height, width, 3] as they are seen on white."""
    image = Image.open(io.BytesIO(data)).convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    white.alpha_composite(image)
    return np.asarray(white.convert("RGB")).astype(int)


def cell_centres(figure, steps_S: np.ndarray, timesteps: int) -> np.ndarray:
    """[T, S, 2] the row and column of the pixel in the middle of each cell."""
    axes, borders = figure.axes[0], edges(steps_S)
    height = figure.bbox.height
    x = (borders[1:] + borders[:-1]) / 2
    points = axes.transData.transform([(a, t) for t in range(timesteps) for a in x])
    return np.stack([height - points[:, 1], points[:, 0]], 1).astype(int)


@pytest.mark.parametrize("log", [True, False])
def test_the_quick_picture_is_the_one_that_matplotlib_draws(log):
    """Also the second of the same frame, with other cells in it, and with cells that have no logarithm."""
    steps_S = np.array([0.0, 5.0, 20.0, 25.0])
    words = {"title": "lag curve, h layer 0", "label": "the norm", "ylabel": "lag k", "log": log}
    rng = np.random.default_rng(0)
    for special in ([], [], [0.0, np.inf, np.nan]):
        values_ST = rng.uniform(-12, 3, (4, 6))
        values_ST = 10**values_ST if log else values_ST
        values_ST.flat[: len(special)] = special
        figure = draw_heatmap(values_ST, steps_S, **words)
        plain, quick = pixels(png(figure)), pixels(heatmap_png(values_ST, steps_S, **words))
        at = cell_centres(figure, steps_S, 6)
        assert np.abs(quick - plain)[at[:, 0], at[:, 1]].max() <= 1  # of 255: colours are rounded
        assert len(np.unique(plain[at[:, 0], at[:, 1]], axis=0)) > 6
        box = figure.axes[0].get_window_extent()
        outside = np.ones(plain.shape[:2], dtype=bool)
        height = len(plain)
        outside[int(height - box.y1) - 1 : int(height - box.y0) + 2, int(box.x0) - 1 : int(box.x1) + 2] = False
        assert np.abs(plain - quick)[outside].max() <= 2  # of 255: letters are blended with white once or twice
