"""A signal comes back from its row of the record as it was, and is refused where it is none."""

from __future__ import annotations

import json

import numpy as np
import pytest
from recorded import as_json, raw

from seqablate.record.rows import SignalRow, decode, encode
from seqablate.signals import Place, Signal

PLACE = Place(part="lstm", layer=1, direction="reverse", state="c")


def signal(values, at=None, quantity: str = "lag", place: Place = PLACE) -> Signal:
    return Signal(step=3, quantity=quantity, place=place, loss_step="last", values=np.array(values), at=at)


@pytest.mark.parametrize("shape", [(200,), (40, 5), (1, 1), (0, 3), (3, 0), (0,)])
def test_a_float32_signal_survives_the_record_exactly(shape):
    values = np.random.default_rng(0).standard_normal(shape).astype(np.float32) * np.float32(1e-30)
    at = np.geomspace(0.25, 7.0, shape[1]).round(3) if len(shape) == 2 else None
    back = decode(encode(SignalRow.of(signal(values.astype(np.float64), at)))).signal
    assert np.array_equal(back.values.astype(np.float32), values)
    assert back.values.shape == shape
    assert back.at is None if at is None else np.array_equal(back.at, at)
    assert (back.step, back.quantity, back.place, back.loss_step) == (3, "lag", PLACE, "last")


def test_what_is_not_finite_survives_in_a_matrix():
    values = [[np.nan, np.inf], [-np.inf, 0.0]]
    row = decode(encode(SignalRow.of(signal(values, np.array([1.0, 2.0])))))
    np.testing.assert_array_equal(row.signal.values, values)


def test_all_layers_of_a_part_survive_the_record():
    line = encode(SignalRow.of(signal([1.0], place=PLACE.over_layers())))
    assert json.loads(line)["layer"] is None
    assert decode(line).signal.place == PLACE.over_layers()


def test_fields_that_a_later_version_added_are_ignored():
    row = as_json(SignalRow.of(signal([np.nan, 2.0]))) | {"added_later": 1}
    assert np.array_equal(decode(encode(raw(row))).signal.values, [np.nan, 2.0], equal_nan=True)


@pytest.mark.parametrize(
    ("values", "at", "quantity", "message"),
    [
        ([[1.0]], None, "lag", r"shape \(1, 1\) with no at"),
        ([1.0], [0.0], "lag", r"shape \(1,\) with at of shape \(1,\)"),
        ([[1.0, 2.0]], [0.0], "lag", r"shape \(1, 2\) with at of shape \(1,\)"),
        ([[1.0, 2.0]], [1.0, 1.0], "lag", "at must increase"),
        ([[1.0, 2.0]], [1.0, np.nan], "lag", "at must increase"),
        (1.0, None, "lag", r"shape \(\)"),
        (np.zeros(2_500_001), None, "lag", "at most 2,500,000"),
        ([1.0], None, "../lag", "lower-case"),
        ([1.0], None, "", "lower-case"),
    ],
)
def test_what_the_record_could_not_hold_is_refused_where_it_is_made(values, at, quantity, message):
    with pytest.raises(ValueError, match=message):
        signal(values, at and np.array(at), quantity)
