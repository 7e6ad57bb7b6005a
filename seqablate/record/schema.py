"""Every key that a run folder's JSON must have, and its type. Other keys may stand beside them and are kept.

run.json consists of :class:`Facts`, known at the beginning, and a :class:`Summary` of the results so far. Both are in
the record as well: the facts in its header, a summary in each row of kind "progress" (after an evaluation) or "end".
"""

from __future__ import annotations

import math
import re
from itertools import pairwise
from typing import Annotated, Any, Literal, TypedDict

from seqablate.record.shape import Misfit, at_least, compiled, matches
from seqablate.signals.decay import Decay
from seqablate.signals.signal import MOST_VALUES, NAME

VERSION = 4  # of run.json and the record


def folder_name(value: Any) -> str:
    """A name that a folder may have, as it is."""
    if type(value) is not str or not 0 < len(value) < 256 or not value.isprintable() or "/" in value:
        raise Misfit("must be the name of a folder")
    return value


def of_any_size(value: Any) -> int:
    """An integer, also one that no machine word holds: a seed may be as long as somebody likes."""
    if type(value) is not int:
        raise Misfit("must be a whole number")
    return value


def letters(value: Any) -> str:
    """Text as it is, line breaks included."""
    if type(value) is not str:
        raise Misfit("must be text")
    return value


Step = Annotated[int, at_least(0)]
Name = Annotated[str, matches(r"[\w .,%+-]{1,100}", "a name without special characters")]
Part = Annotated[str, matches(r"[\w .,%+-]{0,200}", "a name without special characters")]
Quantity = Annotated[str, matches(NAME.pattern, "a lower-case name")]
Hash = Annotated[str, matches(r"[0-9a-f]{64}", "a SHA-256 in hexadecimal")]
CHECKPOINT = re.compile(r"step_(\d{8,12})\.pt")
Checkpoint = Annotated[str, matches(CHECKPOINT.pattern, "the name of a checkpoint, such as step_00000100.pt")]


class Scale(TypedDict):
    """The headline metric."""

    name: Name
    chance: float
    goal: float | None
    lower_is_better: bool
    unit: str
    source: str


class Facts(TypedDict):
    """What is known when a run begins."""

    version: int
    name: Annotated[Any, folder_name]
    digest: Hash
    seed: Annotated[Any, of_any_size]
    command: list[str]
    git_commit: str | None
    versions: dict[str, str | None]
    device: Annotated[str, matches(r"[a-z]+(:\d+)?", "a device, such as cpu or cuda:0")]
    backend: Name
    threads: Annotated[int, at_least(1)]
    dtype: Name
    started: str
    parameters: Step
    metric: Scale
    baselines: dict[str, float]
    test_baselines: dict[str, float]
    data_sha256: str | None


class Best(TypedDict):
    """The best evaluation."""

    step: Step
    value: float


class Results(TypedDict):
    """Of an evaluation, or of the test."""

    loss: float
    metrics: dict[str, float]
    solved: bool


class Confirmation(Results):
    """What the test data said of an evaluation that met the goal."""

    step: Step


class FitPlace(TypedDict):
    """Where a decay was fitted: see :class:`seqablate.signals.Place`."""

    quantity: Quantity
    part: Part
    layer: Step | None
    direction: Literal["forward", "reverse"]
    state: Part


class Seconds(TypedDict):
    """Wall time, over every process that worked on the run."""

    total: float
    train: float
    eval: float


class Summary(TypedDict):
    """What has come of a run so far."""

    status: Literal["running", "done", "interrupted", "diverged", "failed"]
    step: Step
    message: str | None
    ended: str | None
    measured_step: int | None  # that of final and decay
    final: dict[str, float] | None
    best: Best | None
    solved_at: int | None
    lost_at: int | None
    refuted: Step
    confirmation: Confirmation | None
    test: Results | None
    decay: list[Annotated[Any, compiled(FitPlace), compiled(Decay)]]
    clipped_share: float | None
    seconds: Seconds


class RunInfo(Facts, Summary):
    """run.json."""


class Header(Facts):
    """The record's first row."""

    config: dict[str, Any]  # as in config.yaml: what the digest is of


class TrainRow(TypedDict):
    """One update."""

    step: Step
    loss: float
    grad_norm: float
    grad_norm_clipped: float
    update_ratio: float
    lr: float
    clipped: int


class EvalRow(Results):
    """One evaluation."""

    step: Step


class SignalRow(TypedDict):
    """One curve or matrix: see :class:`seqablate.signals.Signal`."""

    step: Step
    quantity: Quantity
    part: Part
    layer: Step | None
    direction: Literal["forward", "reverse"]
    state: Part
    loss_step: Part
    at: list[float] | None
    values: list[float] | list[list[float]]


def aligned(row: dict[str, Any]) -> dict[str, Any]:
    """A matrix has a column for each of its second axis's coordinates, which increase; a curve has no such axis."""
    at, values = row["at"], row["values"]
    if at is not None and not all(low < high < math.inf for low, high in pairwise([-math.inf, *at])):
        raise Misfit("must be numbers that increase", ("at",))
    columns = {len(part) if type(part) is list else None for part in values[:1]}  # all rows are as long as the first
    if columns - {None if at is None else len(at)}:
        raise Misfit("must have a column for each number in at", ("values",))
    if len(values) * (1 if at is None else len(at)) > MOST_VALUES:
        raise Misfit(f"must be at most {MOST_VALUES} numbers", ("values",))
    return row


class TextRow(TypedDict):
    """What a language model wrote."""

    step: Step
    text: Annotated[Any, letters]


class CommitRow(TypedDict):
    """A checkpoint that is safe, and everything before it."""

    step: Step
    checkpoint: Checkpoint
    sha256: Hash
    bytes: Step


class ResumeRow(TypedDict):
    """Another process goes on from a checkpoint; None: from the beginning."""

    step: Step
    checkpoint: Checkpoint | None


ROWS: dict[str, Any] = {
    "header": Header,
    "train": TrainRow,
    "eval": EvalRow,
    "signal": Annotated[Any, compiled(SignalRow), aligned],
    "text": TextRow,
    "test": EvalRow,
    "confirmation": EvalRow,
    "commit": CommitRow,
    "resume": ResumeRow,
    "progress": Summary,
    "end": Summary,
}
