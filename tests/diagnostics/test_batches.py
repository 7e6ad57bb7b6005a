"""What is padding and what is not finite, in curves of a batch of unequal sequences."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from seqablate.diagnostics.batches import LayerNorms, batch_mean, in_time, reverse_steps
from seqablate.diagnostics.look import ProbedPass
from seqablate.models.base import ProbePoint
from seqablate.record.rows import SignalRow, decode, encode
from seqablate.signals import Place, Signal

LENGTHS = np.array([4, 2, 3])
RNN = ProbePoint(name="x", place=Place(part="rnn"))


def norms() -> np.ndarray:
    """[T, B], with something that is no zero behind each sample's end: padding is known by the lengths alone."""
    return np.arange(12.0).reshape(4, 3) + 1


@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_a_mean_is_over_the_samples_that_have_the_step_in_either_direction(direction):
    by_timestep = in_time(norms(), direction == "reverse", LENGTHS)
    expected = []
    for t in range(4):
        valid = [norms()[t if direction == "forward" else n - 1 - t, b] for b, n in enumerate(LENGTHS) if t < n]
        expected.append(sum(valid) / len(valid))
    np.testing.assert_allclose(batch_mean(by_timestep, LENGTHS), expected)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_one_sample_that_is_not_finite_makes_the_mean_so_and_no_other_timestep(value, lengths):
    norm_TB = norms()
    norm_TB[1, 1] = value
    mean_T = batch_mean(norm_TB, lengths)
    np.testing.assert_equal(mean_T[1], value)
    assert np.isfinite(np.delete(mean_T, 1)).all()
    backwards = batch_mean(reverse_steps(norm_TB, lengths), lengths)
    place = 0 if lengths is not None else 2  # the second step of two, or of four
    np.testing.assert_equal(backwards[place], value)
    layers = LayerNorms()
    layers.add(RNN, norm_TB, lengths)
    np.testing.assert_equal(layers.found[RNN.place.over_layers()][0][1], value)


def test_what_stands_in_the_padding_is_never_seen():
    norm_TB = norms()
    norm_TB[np.arange(4)[:, None] >= LENGTHS] = math.nan
    assert np.isfinite(batch_mean(norm_TB, LENGTHS)).all()
    assert np.isfinite(batch_mean(reverse_steps(norm_TB, LENGTHS), LENGTHS)).all()
    layers = LayerNorms()
    layers.add(RNN, norm_TB, LENGTHS)
    assert math.isfinite(layers.found[RNN.place.over_layers()][0][1])


def test_norms_near_the_end_of_float32_have_a_mean_and_a_layers_norm():
    records = {"x": SimpleNamespace(total={"h": torch.full((1, 1, 4, 3), 3e38)})}
    wide = ProbedPass(step=0, points=(RNN,), records=records, lengths=None, mean=False).total(RNN)["h"]
    assert batch_mean(wide, None)[0] == pytest.approx(3e38)
    layers = LayerNorms()
    layers.add(RNN, wide, None)
    assert layers.found[RNN.place.over_layers()][0][1] == pytest.approx(6e38)


def test_nan_and_both_infinities_come_back_from_the_record_as_what_they_are():
    values = np.array([1.0, math.nan, math.inf, 0.0, -math.inf])
    signal = Signal(step=0, quantity="total", place=RNN.place, values=values)
    row = decode(encode(SignalRow.of(signal)))
    np.testing.assert_array_equal(row.signal.values, values)
