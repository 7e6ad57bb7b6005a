"""What a run says of itself: every key of run.json, and its type. Other keys may stand beside them and are passed over.

run.json consists of :class:`Facts`, known at the beginning, and a :class:`Summary` of the results so far. Both are in
the record as well: the facts in its header, a summary in each row of kind "progress" (after an evaluation) or "end".
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal, Self

from seqablate.config.metric import Metric
from seqablate.shape import By, Misfit, Name, Step, at_least, matches, one_of
from seqablate.signals.fit import Fit
from seqablate.text import counted

VERSION = 7  # of run.json and the record


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


Hash = Annotated[str, matches(r"[0-9a-f]{64}", "a SHA-256 in hexadecimal")]
Status = Literal["running", "done", "interrupted", "diverged", "failed", "killed"]
FINISHED = ("done", "diverged")  # by itself: such a run has a result, and a diverged one has failed
RECORDED = ("running", "done", "interrupted", "diverged", "failed")  # "killed" is what a reader finds out


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known when a run begins."""

    version: int
    name: Annotated[str, By(folder_name)]
    digest: Hash
    seed: Annotated[int, By(of_any_size)]
    command: list[str]
    git_commit: str | None
    versions: dict[str, str | None]
    device: Annotated[str, matches(r"[a-z]+(:\d+)?", "a device, such as cpu or cuda:0")]
    backend: Name
    threads: Annotated[int, at_least(1)]
    dtype: Name
    started: str
    parameters: Step
    metric: Metric
    baselines: dict[str, float]
    test_baselines: dict[str, float]
    data_sha256: str | None
    fingerprint: Hash  # of what computed it: see seqablate.record.identity


@dataclass(frozen=True, kw_only=True)
class Best:
    """The best evaluation."""

    step: Step
    value: float


@dataclass(frozen=True, kw_only=True)
class AtStep:
    """Something that belongs to a training step: the number of updates before it."""

    step: Step


@dataclass(frozen=True, kw_only=True)
class Results:
    """Mean loss, every metric by name, and whether they meet the task's criterion: of an evaluation, or of the test."""

    loss: float
    metrics: dict[str, float]
    solved: bool


@dataclass(frozen=True, kw_only=True)
class Evaluation(Results, AtStep):
    """Results, and the training step at which they were measured."""

    @classmethod
    def at(cls, step: int, results: Results, **more: Any) -> Self:
        """These results as those of ``step``."""
        return cls(step=step, loss=results.loss, metrics=results.metrics, solved=results.solved, **more)


@dataclass(frozen=True, kw_only=True)
class AtLength(Results):
    """Results on test data of another length (``eval.lengths``), and the headline metric's chance there."""

    length: Annotated[int, at_least(1)]
    chance: float


@dataclass(frozen=True, kw_only=True)
class Seconds:
    """Wall time, over every process that worked on the run."""

    total: float = 0.0
    train: float = 0.0
    eval: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What has come of a run so far.

    Attributes:
        status: how it ended, or that it has not.
        step: updates made; of a run that diverged those up to the one whose loss or gradient was not finite.
        message: why it failed or diverged.
        ended: when.
        measured_step: the step of ``final`` and ``decay``: that of the last evaluation.
        final: loss and metrics of the last evaluation.
        best: the best value of the headline metric.
        solved_at: the step of the first evaluation that met the criterion and that the test data confirmed.
        lost_at: the step since which a solved task no longer meets it; None while it does.
        refuted: how many evaluations met the criterion and were refuted by the test data.
        confirmation: what the test data said last of an evaluation that met it.
        test: results on test data, once the run is finished.
        decay: fits of the last evaluation's lag curves.
        clipped_share: of the steps so far, those with an update from a clipped gradient.
        skipped: how many steps made no update.
        guesses: how often all weights were drawn anew, by ``optim=random_guess``.
        regularized_share: of the steps so far, those with an update at which the penalty had a gradient.
        length: the largest length of a training sequence at the last evaluation; None without a curriculum.
        at_lengths: results on test data of other lengths, once the run is finished.
    """

    status: Annotated[Status, By(one_of(*RECORDED))]
    step: Step
    message: str | None
    ended: str | None
    measured_step: int | None
    final: dict[str, float] | None
    best: Best | None
    solved_at: int | None
    lost_at: int | None
    refuted: Step
    confirmation: Evaluation | None
    test: Results | None
    decay: list[Fit]
    clipped_share: float | None
    regularized_share: float | None
    skipped: Step
    guesses: Step
    seconds: Seconds
    length: int | None = None
    at_lengths: list[AtLength]


@dataclass(frozen=True, kw_only=True)
class RunInfo(Summary, Facts):
    """run.json."""

    @classmethod
    def of(cls, facts: Facts, summary: Summary) -> RunInfo:
        """From the two rows of the record that hold its parts."""
        return cls(**part(Facts, facts), **part(Summary, summary))

    @property
    def final_value(self) -> float | None:
        """The headline metric at the last evaluation."""
        return None if self.final is None else self.final[self.metric.name]

    @property
    def test_value(self) -> float | None:
        """The headline metric on the test data."""
        return None if self.test is None else self.test.metrics[self.metric.name]

    @property
    def diverged_at(self) -> int | None:
        """The training step whose loss or gradient was not finite, if the run diverged."""
        return self.step - 1 if self.status == "diverged" else None

    @property
    def standing(self) -> str:
        """``done after 400 updates``; a run whose loss was not finite at step 3 has made 4, the last one with it."""
        return f"{self.status} after {counted(self.step, 'update')}"

    @property
    def keeps(self) -> bool:
        """Whether a run that solved its task still does, by its last evaluation and by the held-out test."""
        return self.solved_at is not None and self.lost_at is None


def part(declared: type, whole: Any) -> dict[str, Any]:
    """The fields that ``declared`` has, of an object that has them and others."""
    return {field.name: getattr(whole, field.name) for field in fields(declared)}
