"""Small pictures of curves: what a reader sees of them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from seqablate.text import BLOCKS, condense, sparkline


def heights(line: str) -> list[int]:
    return [BLOCKS.index(block) for block in line]


def test_a_curve_of_many_decades_uses_every_block():
    assert heights(sparkline(10.0 ** np.arange(8), 8)) == list(range(8))


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_a_flat_curve_looks_flat(noise):
    curve = np.exp(noise * np.random.default_rng(0).standard_normal(40))
    found = heights(sparkline(curve))
    assert max(found) - min(found) <= 1
    assert 3 in found or 4 in found


def test_one_decade_takes_half_of_the_height():
    found = heights(sparkline(np.geomspace(1, 0.1, 40)))
    assert (max(found), min(found)) == (5, 2)


def test_zero_infinity_and_nan_have_marks_of_their_own():
    curve = np.array([1.0, 0.0, math.inf, math.nan, 100.0])
    assert sparkline(curve) == f"{BLOCKS[0]}0∞?{BLOCKS[-1]}"
    assert sparkline(np.zeros(3)) == "000"
    assert sparkline(np.full(3, math.nan)) == "???"
    assert sparkline(np.array([1, 1, 1, math.nan]), 2) == f"{BLOCKS[4]}?"


def test_a_curve_longer_than_the_line_is_averaged():
    assert len(sparkline(np.ones(1000), 40)) == 40
    assert len(sparkline(np.ones(5), 40)) == 5
    assert sparkline(np.array([])) == ""


def test_a_condensed_curve_has_the_sparkline_of_the_whole_one():
    curve = np.geomspace(1e-9, 1, 400)
    curve[100:110], curve[203], curve[301] = 0.0, math.nan, math.inf
    short = condense(curve, 40)
    assert len(short) == 40
    assert sparkline(np.array(short)) == sparkline(curve)
    assert short[0] == pytest.approx(math.prod(curve[:10]) ** 0.1)
    assert condense(np.array([2.0, 3.0]), 40) == pytest.approx((2, 3))
    assert condense(np.array([]), 40) == ()
