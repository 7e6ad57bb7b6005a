"""A row is a line of strict JSON and comes back as it was."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded import eval_row, header, raw, train_row

from seqablate.record.rows import ForeignRow, TextRow, decode, encode, strict
from seqablate.shape import Misfit

KEYS = st.text(max_size=8).filter(lambda key: key != "kind")
LEAVES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(max_size=20)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=5
)


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
    row = ForeignRow("note", values)
    line = encode(row)
    assert line.endswith(b"\n")
    assert len(line.splitlines()) == 1
    json.loads(line, parse_constant=refuse)
    assert same(decode(line).values, strict(values))
    assert decode(line).kind == "note"


@given(st.floats(), st.lists(st.floats(), max_size=9))
def test_declared_numbers_come_back_as_they_were_though_json_lacks_some(loss, values):
    for row in (train_row(3, loss=loss), eval_row(3, mse=loss)):
        assert same({"kind": row["kind"], **vars(decode(encode(raw(row))))}, row)
    curve = {"kind": "signal", "step": 1, "quantity": "lag", "part": "rnn", "layer": 0, "direction": "forward"}
    curve |= {"state": "h", "loss_step": "last", "at": None, "values": values}
    found = decode(encode(raw(curve)))
    assert same({"kind": "signal", **vars(found)}, curve)
    assert json.loads(encode(found), parse_constant=refuse)["values"] == [
        value if math.isfinite(value) else str(value) for value in values
    ]


@pytest.mark.parametrize("word", ["nan", "inf", "-inf", "NaN", "a\nb\r\x85\u2028c", "ж😀"])
def test_what_a_model_wrote_stays_words(word):
    assert decode(encode(TextRow(step=0, text=word))).text == word


@pytest.mark.parametrize(
    ("new", "message"),
    [
        ({"loss": "zz"}, "loss must be a number"),
        ({"loss": True}, "loss must be a number"),
        ({"loss": None}, "loss must be a number"),
        ({"step": 1.5}, "step must be a whole number"),
        ({"step": -1}, "step must be at least 0"),
        ({"step": 2**63}, "step must be a whole number"),
        ({"more": [[[[[[[[[1]]]]]]]]]}, "more is nested more than 8 levels deep"),
    ],
)
def test_a_row_that_is_not_as_declared_names_the_key(new, message):
    with pytest.raises(Misfit, match=message):
        decode(encode(raw(train_row(3) | new)))


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ([], "sources must be a table"),
        ({"a.py": "0" * 16, "b\n.py": "0" * 15}, r"sources.b\\n.py must be the first 16 hexadecimal digits"),
        ({"a.py": 1}, "sources.a.py must be the first 16"),
    ],
)
def test_a_header_whose_hashes_are_none_names_the_file(sources, message):
    with pytest.raises(Misfit, match=message):
        decode(encode(raw(header(sources=sources))))


def test_the_name_of_a_source_file_is_read_without_control_characters():
    assert decode(encode(raw(header(sources={"a\x1b[0m.py": "0" * 16})))).sources == {r"a\x1b[0m.py": "0" * 16}


def test_a_row_that_lacks_a_key_names_it():
    row = train_row(3)
    del row["grad_norm"]
    with pytest.raises(Misfit, match="grad_norm is missing"):
        decode(encode(raw(row)))


def test_a_torn_line_is_none_wherever_it_was_torn():
    line = encode(raw(train_row(12, text="жж", values=[1.5, math.nan]))).rstrip()
    assert all(decode(line[:end]) is None for end in range(len(line)))
    assert decode(line) is not None
    assert decode(line[20:]) is None


@pytest.mark.parametrize("line", [b"", b"3", b"[]", b"null", b"{}", b'{"step": 1}', b"\xff\xfe", b"\x00\x00"])
def test_what_is_not_a_row_is_none(line):
    assert decode(line) is None
