"""Rows that are passed on without being decoded are those that reading everything finds."""

from __future__ import annotations

import json

import pytest
import recorded

from seqablate.errors import UsageError
from seqablate.record.reader import read_record
from seqablate.record.rows import EvalRow, SignalRow


def signal(step: int, value: float = 1.0) -> dict:
    return {
        "kind": "signal", "step": step, "quantity": "lag", "part": "rnn", "layer": 0, "direction": "forward",
        "state": "h", "loss_step": "last", "at": None, "values": [value],
    }  # fmt: skip


@pytest.fixture
def record_of(tmp_path):
    """A record of these lines: rows, or text as it is."""

    def written(*lines):
        texts = [line if isinstance(line, str) else json.dumps(line) + "\n" for line in (recorded.header(), *lines)]
        (tmp_path / "record.jsonl").write_text("".join(texts))
        return read_record(tmp_path)

    return written


def dense(row: dict) -> str:
    """Without spaces, as a run writes it."""
    return json.dumps(row, separators=(",", ":")) + "\n"


def found(record, kind) -> list:
    return [row for unread in record.unread(kind) if (row := unread.read()) is not None]


def plain(rows: list) -> list:
    return [recorded.as_json(row) for row in rows]


def test_they_are_the_rows_that_count(record_of):
    """A resumption took back step 3; a kill tore the last line; another hand wrote its keys in another order."""
    record = record_of(
        recorded.train_row(0), recorded.eval_row(1), signal(1, 0.5), recorded.commit_row(2), recorded.eval_row(3),
        signal(3, 9.0), recorded.resume_row(2), recorded.eval_row(3, mse=0.5), dense(signal(3)),
        dict(reversed(signal(4, 0.25).items())), '{"kind": "signal", "step": 5, "quantity": "lag", "val',
    )  # fmt: skip
    for kind in (EvalRow, SignalRow):
        assert plain(found(record, kind)) == plain(record.of(kind))
    assert [row.values for row in found(record, SignalRow)] == [[0.5], [1.0], [0.25]]
    assert [(unread.step, unread.quantity) for unread in record.unread(SignalRow)][:3] == [
        (1, "lag"),
        (3, "lag"),
        (4, "lag"),
    ]


def test_a_damaged_row_is_refused_when_it_is_read_and_passed_over_when_not(record_of):
    record = record_of(signal(1) | {"values": "many"}, signal(2))
    first, second = record.unread(SignalRow)
    assert second.read().values == [1.0]
    with pytest.raises(UsageError, match=r"line 2: values must be"):
        first.read()
