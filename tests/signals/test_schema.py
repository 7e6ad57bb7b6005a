from __future__ import annotations

import json

import numpy as np

from seqablate.signals import Signal

FIELDS = {
    "step": 3,
    "quantity": "lag",
    "module": "lstm",
    "layer": 1,
    "direction": "reverse",
    "state": "c",
    "loss_step": "last",
    "axis": "lag",
}


def test_a_float32_signal_survives_the_record_exactly():
    values = np.random.default_rng(0).standard_normal(200).astype(np.float32) * np.float32(1e-30)
    signal = Signal(**FIELDS, values=values.astype(np.float64))
    row = json.loads(json.dumps(signal.to_row()))
    back = Signal.from_row(row)
    assert np.array_equal(back.values.astype(np.float32), values)
    assert {name: getattr(back, name) for name in FIELDS} == FIELDS


def test_fields_that_a_later_version_added_are_ignored():
    row = Signal(**FIELDS, values=np.array([np.nan, 2.0])).to_row() | {"added_later": 1}
    assert np.array_equal(Signal.from_row(row).values, [np.nan, 2.0], equal_nan=True)
