"""The rows of a record: what each kind holds, as a line of strict JSON and back. Other keys in a row are passed over.

JSON has no NaN and no infinity: they are written as the words "nan", "inf" and "-inf", and read as numbers wherever a
row declares a number.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, is_dataclass
from itertools import pairwise
from typing import Annotated, Any

import numpy as np

from seqablate.errors import printable
from seqablate.record.schema import AtLength, AtStep, Evaluation, Facts, Hash, Summary
from seqablate.shape import By, Misfit, Part, Step, compiled, matches, plain
from seqablate.signals.fit import Source
from seqablate.signals.signal import MOST_VALUES, Signal

CHECKPOINT = re.compile(r"step_(\d{8,12})\.pt")
Checkpoint = Annotated[str, matches(CHECKPOINT.pattern, "the name of a checkpoint, such as step_00000100.pt")]

FILE_HASH = re.compile(r"[0-9a-f]{16}")


def letters(value: Any) -> str:
    """Text as it is, line breaks included."""
    if type(value) is not str:
        raise Misfit("must be text")
    return value


def file_hashes(value: Any) -> dict[str, str]:
    """The first 16 hexadecimal digits of a SHA-256 by the name of a file; quickly: every header has a hundred."""
    if type(value) is not dict:
        raise Misfit("must be a table")
    for name, found in value.items():
        if type(found) is not str or not FILE_HASH.fullmatch(found):
            raise Misfit("must be the first 16 hexadecimal digits of a SHA-256", (printable(str(name)),))
    return value if "".join(value).isprintable() else {printable(name): found for name, found in value.items()}


class Row:
    """One line of a record."""

    kind: str


@dataclass(frozen=True, kw_only=True)
class Header(Facts, Row):
    """The record's first row."""

    kind = "header"
    config: dict[str, Any]  # as in config.yaml: what the digest is of
    sources: Annotated[dict[str, str], By(file_hashes)]  # of the files that compute the run


@dataclass(frozen=True, kw_only=True)
class TrainRow(AtStep, Row):
    """One update: loss and gradient norms before it, the learning rate it was made with, and whether it was clipped."""

    kind = "train"
    loss: float
    grad_norm: float
    grad_norm_clipped: float
    update_ratio: float  # ||update|| / ||parameters||; NaN where it was not measured
    lr: float
    clipped: int


@dataclass(frozen=True, kw_only=True)
class PenaltyRow(AtStep, Row):
    """What a regularizer added to one update: the penalty, its weight, and the norm of the weighted gradient."""

    kind = "penalty"
    value: float
    weight: float
    grad_norm: float


@dataclass(frozen=True, kw_only=True)
class SkipRow(AtStep, Row):
    """A step that made no update, and why."""

    kind = "skip"
    why: str


@dataclass(frozen=True, kw_only=True)
class EvalRow(Evaluation, Row):
    """One evaluation; with a curriculum also the largest length of a training sequence from here on."""

    kind = "eval"
    length: int | None = None


@dataclass(frozen=True, kw_only=True)
class TestRow(Evaluation, Row):
    """The held-out test."""

    kind = "test"


@dataclass(frozen=True, kw_only=True)
class LengthRow(AtLength, AtStep, Row):
    """The held-out test at another length."""

    kind = "length"

    @classmethod
    def of(cls, step: int, found: AtLength) -> LengthRow:
        """These results as those of ``step``."""
        return cls(step=step, **vars(found))


@dataclass(frozen=True, kw_only=True)
class ConfirmationRow(Evaluation, Row):
    """What the test data said of an evaluation that met the goal."""

    kind = "confirmation"


@dataclass(frozen=True, kw_only=True)
class SignalRow(Source, AtStep, Row):
    """One curve or matrix: see :class:`seqablate.signals.Signal`."""

    kind = "signal"
    loss_step: Part
    at: list[float] | None
    values: list[float] | list[list[float]]

    @classmethod
    def of(cls, signal: Signal) -> SignalRow:
        """Numbers keep 9 significant digits, so float32 values come back exactly."""
        at, values = signal.at, signal.values
        return cls(
            step=signal.step,
            quantity=signal.quantity,
            **vars(signal.place),
            loss_step=signal.loss_step,
            at=None if at is None else _nine_digits(at),
            values=_nine_digits(values) if at is None else [_nine_digits(row) for row in values],
        )

    @property
    def signal(self) -> Signal:
        """The inverse of :meth:`of`."""
        at = None if self.at is None else np.array(self.at, dtype=np.float64)
        values = np.array(self.values, dtype=np.float64)
        return Signal(
            step=self.step,
            quantity=self.quantity,
            place=self.place,
            loss_step=self.loss_step,
            values=values if at is None else values.reshape(len(values), len(at)),
            at=at,
        )


@dataclass(frozen=True, kw_only=True)
class TextRow(AtStep, Row):
    """What a language model wrote."""

    kind = "text"
    text: Annotated[str, By(letters)]


@dataclass(frozen=True, kw_only=True)
class CommitRow(AtStep, Row):
    """A checkpoint that is safe, and everything before it."""

    kind = "commit"
    checkpoint: Checkpoint
    sha256: Hash
    bytes: Step


@dataclass(frozen=True, kw_only=True)
class ResumeRow(AtStep, Row):
    """Another process goes on from a checkpoint; None: from the beginning."""

    kind = "resume"
    checkpoint: Checkpoint | None
    fingerprint: Hash  # of what computes it from here on


@dataclass(frozen=True, kw_only=True)
class ProgressRow(Summary, Row):
    """The results after an evaluation."""

    kind = "progress"


@dataclass(frozen=True, kw_only=True)
class EndRow(Summary, Row):
    """The results at the end of a process's work."""

    kind = "end"


@dataclass(frozen=True)
class ForeignRow(Row):
    """A row of a kind that is unknown here."""

    kind: str
    values: dict[str, Any]


def aligned(row: SignalRow) -> SignalRow:
    """A matrix has a column for each of its second axis's coordinates, which increase; a curve has no such axis."""
    at, values = row.at, row.values
    if at is not None and not all(low < high < math.inf for low, high in pairwise([-math.inf, *at])):
        raise Misfit("must be numbers that increase", ("at",))
    # All rows are as long as the first.
    columns = {len(part) if isinstance(part, list) else None for part in values[:1]}
    if columns - {None if at is None else len(at)}:
        raise Misfit("must have a column for each number in at", ("values",))
    if len(values) * (1 if at is None else len(at)) > MOST_VALUES:
        raise Misfit(f"must be at most {MOST_VALUES} numbers", ("values",))
    return row


DECODER = json.JSONDecoder()
ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"), default=vars)
CHECKS = {
    row.kind: compiled(row)
    for row in (
        Header,
        TrainRow,
        PenaltyRow,
        SkipRow,
        EvalRow,
        TestRow,
        LengthRow,
        ConfirmationRow,
        TextRow,
        CommitRow,
        ResumeRow,
        ProgressRow,
        EndRow,
    )
} | {SignalRow.kind: compiled(Annotated[SignalRow, aligned])}


def _nine_digits(values: np.ndarray) -> list[float]:
    return [float(f"{v:.9g}") for v in values.tolist()]  # a number of numpy's takes longer to format


def encode(row: Row) -> bytes:
    """The line, with its newline."""
    values = {"kind": row.kind} | (row.values if isinstance(row, ForeignRow) else vars(row))
    for name, value in values.items():  # of most rows these are all: a table within a table is looked at below
        if type(value) is float and not math.isfinite(value):
            values[name] = str(value)
    try:
        text = ENCODER.encode(values)
    except ValueError:
        text = ENCODER.encode(strict(values))
    return text.encode() + b"\n"


def decode(line: bytes) -> Row | None:
    """The row; None for a line that is none, such as one that was torn when its writer was killed.

    Raises:
        Misfit: a row of a known kind that is not as declared.
    """
    try:
        values = DECODER.decode(line.decode())  # json.loads would look for the encoding of every line
    except RecursionError:
        raise Misfit("is nested too deeply") from None
    except ValueError:
        return None
    if not isinstance(values, dict) or not isinstance(kind := values.pop("kind", None), str):
        return None
    check = CHECKS.get(kind)
    row: Row = ForeignRow(kind, plain(values)) if check is None else check(values)
    return row


def strict(value: Any) -> Any:
    """The same value as plain JSON, with every non-finite number as its word."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {key: strict(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [strict(part) for part in value]
    if is_dataclass(value) and not isinstance(value, type):
        return strict(vars(value))
    return value
