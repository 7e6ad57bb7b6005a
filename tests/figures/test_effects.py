"""Pictures of effects: every pair is drawn, and what is infinite stands at the edge."""

from __future__ import annotations

import numpy as np
import pytest

from seqablate.figures.effects import Effect, draw_effects


def effect(values, **other) -> Effect:
    given = {"title": "solved: a - b", "word": "SUPPORTED", "color": 2, "estimate": 0.5, "low": 0.2, "high": 0.8}
    given |= {"needed": [0.3], "none": 0.0, "log": False, "values": np.array(values, dtype=float)}
    return Effect(**given | other)


def points(axes, marker):
    return [x for line in axes.lines if line.get_marker() == marker for x in line.get_xdata()]


def test_each_effect_has_a_row_with_a_dot_for_each_pair_and_a_line_where_it_begins_to_matter():
    figure = draw_effects([effect([0.1, 0.5, 0.9]), effect([0.2, 0.4])], title="It is so.")
    first, second = figure.axes
    assert points(first, "o") == [0.1, 0.5, 0.9]
    assert points(second, "o") == [0.2, 0.4]
    assert points(first, "D") == [0.5]
    assert [0.3, 0.3] in [list(line.get_xdata()) for line in first.lines]


def test_infinite_effects_stand_as_arrows_at_the_edges():
    (axes,) = draw_effects([effect([np.inf, -np.inf, 0.5], estimate=np.inf, high=np.inf)], title="").axes
    low, high = axes.get_xlim()
    assert (points(axes, "<"), points(axes, ">"), points(axes, "o")) == ([low], [high], [0.5])
    assert points(axes, "D") == [high]


@pytest.mark.parametrize(
    ("ratios", "labels"), [([0.8, 1.1, 1.9], {"0.8", "1", "1.5"}), ([0.89, 0.92, 0.95], {"0.9", "0.95", "1"})]
)
def test_ratios_are_labelled_as_plain_numbers_also_on_a_short_axis(ratios, labels):
    (axes,) = draw_effects(
        [effect(ratios, estimate=ratios[1], low=ratios[0], high=ratios[2], none=1.0, needed=[1.02], log=True)], title=""
    ).axes
    low, high = axes.get_xlim()
    shown = [label.get_text() for label in axes.get_xticklabels() if low <= label.get_position()[0] <= high]
    assert labels <= set(shown)


def test_nothing_to_draw_is_an_error():
    with pytest.raises(ValueError, match="must be an effect"):
        draw_effects([], title="")
