"""A row is a line of strict JSON and comes back as it was."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqablate.record.rows import decode, encode

KEYS = st.text(max_size=8).filter(lambda key: key not in ("kind", "text", "name", "message", "command"))
STRINGS = st.text(max_size=20).filter(lambda word: word not in ("nan", "inf", "-inf"))
LEAVES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | STRINGS
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4))


def refuse(word: str) -> None:
    raise AssertionError(f"{word} is not JSON")


def same(a: object, b: object) -> bool:
    """Equality in which NaN is itself, and 1 is neither 1.0 nor True."""
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and isinstance(b, float) and math.isnan(a):
        return math.isnan(b)
    return type(a) is type(b) and a == b


@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_any_row_is_one_line_of_strict_json_and_comes_back_equal(values):
    row = {"kind": "train", **values}
    line = encode(row)
    assert line.endswith(b"\n")
    assert len(line.splitlines()) == 1
    json.loads(line, parse_constant=refuse)
    assert same(decode(line), row)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_lacks_are_written_as_words(value):
    line = encode({"kind": "signal", "step": 1, "values": [1.0, value], "metrics": {"mse": value}})
    assert json.loads(line, parse_constant=refuse)["values"] == [1.0, str(value)]
    row = decode(line)
    assert same(row["values"], [1.0, value])
    assert same(row["metrics"], {"mse": value})


@pytest.mark.parametrize("word", ["nan", "inf", "-inf", "NaN", "a\nb\r\x85\u2028c", "ж😀"])
def test_what_a_model_wrote_and_what_a_run_is_called_stay_words(word):
    for key in ("text", "name", "message"):
        line = encode({"kind": "text", "step": 0, key: word, "loss": math.inf})
        row = decode(line)
        assert row[key] == word
        assert row["loss"] == math.inf


def test_a_torn_line_is_none_wherever_it_was_torn():
    line = encode({"kind": "train", "step": 12, "loss": 0.25, "text": "жж", "values": [1.5, math.nan]}).rstrip()
    assert all(decode(line[:end]) is None for end in range(len(line)))
    assert decode(line) is not None
    assert decode(line[20:]) is None


@pytest.mark.parametrize("line", [b"", b"3", b"[]", b"null", b"{}", b'{"step": 1}', b"\xff\xfe", b"\x00\x00"])
def test_what_is_not_a_row_is_none(line):
    assert decode(line) is None
