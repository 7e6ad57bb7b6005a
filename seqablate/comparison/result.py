"""What a comparison of runs says, as data: every table, picture, page and ``--json`` shows these numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from seqablate.record.rows import strict
from seqablate.statistics.interval import Interval

VERSION = 1  # of --json


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """The quantity that the arms are compared by.

    Attributes:
        name: as the task calls it (``mse``).
        split: the data that it was measured on: ``test`` where every run that is done was tested, else ``evaluation``
            (the last one); None where it is not measured on data.
        chance: what a predictor without memory reaches; None where the runs' tasks differ in it.
        goal: the value at which a task counts as solved; None if there is none, or where they differ.
    """

    name: str
    split: Literal["test", "evaluation"] | None
    unit: str
    lower_is_better: bool
    chance: float | None
    goal: float | None

    @property
    def label(self) -> str:
        """``test mse``."""
        return f"{self.split} {self.name}" if self.split else self.name


@dataclass(frozen=True, kw_only=True, slots=True)
class RunLine:
    """One run of an arm.

    Attributes:
        unit: its seed, and the settings that are pooled: no other run of its arm has the same.
        value: on the comparison's scale; the worst possible number if the run diverged, None if it has not ended.
        steps_to_solve: updates until it had solved its task, else those that it made without solving it.
        solved: whether it solved its task and still did at its end; None where the task has no goal.
        other_code: what computed it and has another content in a newer run.
        command: the words that asked for it.
    """

    name: str
    path: str
    unit: str
    seed: int
    status: str
    step: int
    value: float | None
    solved: bool | None
    solved_at: int | None
    steps_to_solve: float | None
    message: str | None
    other_code: str | None
    command: list[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class ArmResult:
    """One arm: its runs, pooled over seeds.

    Attributes:
        label: its settings, as far as they differ from those of other arms.
        config: the factors with their values.
        look: for each factor which of its values the arm has: a colour for the first, a dash for the second.
        n: seeds with runs that came to an end of their own, done or diverged: the numbers below are of these. With
            settings pooled, a seed has several runs, and its number is their mean.
        seeds: theirs.
        statuses: how many of all runs stand how.
        solved: the share that solved the task, Wilson's interval; None where the task has no goal.
        value: the median on the comparison's scale, exact interval; a diverged run counts as the worst possible number.
        steps_to_solve: the Kaplan-Meier median, exact interval; inf: not within the budget. None with settings pooled.
        reach: lags until 1 % of the gradient is left, the median over runs that are done and have a lag curve; inf:
            more is left at the end of the curve.
        clipped: the median share of clipped steps; None where nothing could be clipped.
        ms_per_step: the median time of a training step in milliseconds.
        parameters: of its models; usually one number.
    """

    label: str
    config: dict[str, Any]
    look: tuple[int, ...]
    n: int
    seeds: list[int]
    statuses: dict[str, int]
    solved: Interval | None
    value: Interval
    steps_to_solve: Interval | None
    reach: Interval | None
    clipped: float | None
    ms_per_step: float | None
    parameters: list[int]
    runs: list[RunLine]


@dataclass(frozen=True, kw_only=True, slots=True)
class Test:
    """A difference, its interval, and its p-value, alone and after Holm's correction over the whole comparison.

    Attributes:
        telling: pairs that differ. Without one p is 1 whatever is true, and the test does not count in the correction.
        direction: 1 or -1: the side to which the test leans, which need not be that of the median; 0: to none.
    """

    difference: Interval
    p: float
    telling: int
    direction: int
    holm: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Contrast:
    """An arm against its baseline: arm less baseline, paired by seed where they have seeds in common.

    Attributes:
        changed: the factors in which they differ.
        pairs: seeds that both have; 0: the arms are compared as independent samples.
        successes: of the runs that are compared: how many of the arm's solved the task, how many there are, and the
            same of the baseline; None where the task has no goal, or settings are pooled.
        solved: the difference of the shares that solved the task (Newcombe; exact McNemar, or Fisher without pairs).
        value: the median of the differences on the comparison's scale (exact interval; exact sign-flip of their ranks).
    """

    arm: str
    baseline: str
    changed: list[str]
    pairs: int
    successes: tuple[int, int, int, int] | None
    solved: Test | None
    value: Test | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Effect:
    """What one level of a factor does on average over the other factor; or an interaction, a difference of differences.

    Attributes:
        name: ``clip=norm against clip=none``.
        kind: ``main`` or ``interaction``.
        pairs: seeds that all arms involved have.
        value: median over seeds on the comparison's scale.
    """

    name: str
    kind: Literal["main", "interaction"]
    pairs: int
    value: Test


@dataclass(frozen=True, kw_only=True, slots=True)
class LeftOut:
    """A folder that counts nowhere, and why."""

    path: str
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Arms side by side.

    Attributes:
        factors: the keys that define the arms.
        claim: one sentence: what the numbers say of the largest question that they can answer.
        notes: what is unfair or undecidable about them, a line each.
        level: of every interval.
    """

    factors: list[str]
    scale: Scale
    arms: list[ArmResult]
    contrasts: list[Contrast]
    effects: list[Effect]
    claim: str
    notes: list[str]
    left_out: list[LeftOut] = field(default_factory=list)
    level: float = 0.95

    def to_json(self) -> dict[str, Any]:
        """The keys of ``--json``; numbers that JSON lacks are the words "inf", "-inf" and "nan"."""
        plain: dict[str, Any] = strict({"version": VERSION, **asdict(self)})
        return plain
