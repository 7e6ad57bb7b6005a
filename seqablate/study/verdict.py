"""Measures in, verdict out. It is decided by this alone, whoever asks: a study, its plan, a simulation.

Runs are paired by their seed. A run that diverged is a failure: its task is unsolved and its value the worst one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from seqablate.statistics.equivalence import within
from seqablate.statistics.interval import Interval, median, paired_rate_difference
from seqablate.statistics.tests import mcnemar, sign_flip
from seqablate.study.criterion import ALPHA, Criterion, constant
from seqablate.text import counted

Word = Literal["SUPPORTED", "CONTRADICTED", "INCONCLUSIVE", "NOT RUN"]
EXIT_CODES: dict[Word, int] = {"SUPPORTED": 0, "CONTRADICTED": 3, "INCONCLUSIVE": 4, "NOT RUN": 5}

# measure -> arm -> a value for each seed, in one order of seeds: of ``solved`` 1 or 0, None where nothing was measured.
Measures = Mapping[str, Mapping[str, Sequence[float | None]]]


@dataclass(frozen=True)
class Finding:
    """What was found of one criterion.

    Attributes:
        word: the verdict on it.
        estimate: the difference (of success rates, or the median of the paired ones), or the ratio; None without pairs.
        low, high: its interval; None where it cannot be stated, of a median below 6 pairs.
        level: of the interval: of an effect that which decides whether the claim is contradicted, of an equality that
            which must lie inside the margin.
        p: of no difference, two-sided, exact; None where equality is claimed.
        effects: of each pair, in the order of the seeds.
        holds: whether the estimate alone meets the criterion: where the runs lean to when they do not decide.
        note: why nothing could be decided, if so.
    """

    criterion: Criterion
    word: Word
    estimate: float | None
    low: float | None
    high: float | None
    level: float
    p: float | None
    effects: list[float]
    holds: bool
    note: str | None = None

    @property
    def pairs(self) -> int:
        """Seeds that both sides have."""
        return len(self.effects)


@dataclass(frozen=True)
class Verdict:
    """The word, and what was found of each criterion."""

    word: Word
    findings: list[Finding]

    @property
    def leans(self) -> Word:
        """What the estimates alone say; worth a second, larger study and no more."""
        return "SUPPORTED" if all(finding.holds for finding in self.findings) else "CONTRADICTED"


def decide(criteria: Sequence[Criterion], measured: Measures, *, alpha: float = ALPHA, quick: bool = False) -> Verdict:
    """The verdict on a claim.

    It is supported when every criterion is (each is tested at ``alpha``: where all must hold, no correction is needed),
    and contradicted when one criterion is, tested at ``alpha`` divided by their number (Bonferroni, which for the
    smallest p is Holm's procedure).

    Args:
        criteria: at least one.
        measured: for each criterion's measure and arms the values by seed.
        alpha: the share of false verdicts that is accepted; of a study with several looks the share of one look.
        quick: of a study with few seeds and steps, which is never more than inconclusive.
    """
    findings = [judge(criterion, measured, alpha, len(criteria)) for criterion in criteria]
    words = {finding.word for finding in findings}
    word: Word = "INCONCLUSIVE"
    if not quick:
        word = "CONTRADICTED" if "CONTRADICTED" in words else "SUPPORTED" if words == {"SUPPORTED"} else word
    return Verdict(word, findings)


def together(words: Iterable[Word]) -> Word:
    """The verdict of several repetitions of one study, with other seeds: what all say, INCONCLUSIVE if they differ.

    So nobody gains anything from repeating a study until it says what was hoped for.
    """
    different = set(words) or {"NOT RUN"}
    return different.pop() if len(different) == 1 else "INCONCLUSIVE"


def judge(criterion: Criterion, measured: Measures, alpha: float = ALPHA, among: int = 1) -> Finding:
    """What the runs say of one criterion.

    Args:
        criterion: what is claimed.
        measured: as for :func:`decide`.
        alpha: the level of the test.
        among: how many criteria the study has, any of which may contradict the claim.
    """
    values = measured[criterion.measure]
    first, second = (_values(side, values) for side in criterion.sides)
    pairs = list(zip(*_matched(first, second), strict=True))
    known = [(a, b) for a, b in pairs if a is not None and b is not None]
    level = 1 - alpha / among
    if len(known) < len(pairs) or not pairs:
        missing = len(pairs) - len(known)
        note = f"{missing} of {len(pairs)} pairs have no {criterion.measure}" if pairs else "there are no runs"
        return Finding(criterion, "INCONCLUSIVE", None, None, None, level, None, [], False, note)
    effect = _Rates(known) if criterion.measure == "solved" else _Numbers(known, criterion.is_ratio)
    return _finding(criterion, effect, alpha, level)


def _finding(criterion: Criterion, effect: _Rates | _Numbers, alpha: float, level: float) -> Finding:
    interval, needed = effect.interval(level), criterion.needed
    p = effect.p() if criterion.within is None else None
    if criterion.within is None:
        holds = interval.estimate is not None and interval.estimate >= needed
        word = _of_effect(interval, needed, holds and p is not None and p <= alpha)
    else:
        holds = interval.estimate is not None and abs(interval.estimate) < needed
        interval, wide = effect.interval(1 - 2 * alpha), interval
        word = _of_equality(interval, wide, needed)
    estimate, low, high = (_shown(criterion, end) for end in (interval.estimate, interval.low, interval.high))
    note = None if interval.low is not None else f"{counted(interval.n, 'pair')} are too few for an interval"
    effects = [criterion.shown(each) for each in effect.differences]
    return Finding(criterion, word, estimate, low, high, interval.level, p, effects, holds, note)


def _shown(criterion: Criterion, end: float | None) -> float | None:
    return None if end is None else criterion.shown(end)


def _of_effect(interval: Interval, needed: float, found: bool) -> Word:
    """Of a claim that there is an effect."""
    if interval.high is None:
        return "INCONCLUSIVE"
    return "SUPPORTED" if found else "CONTRADICTED" if interval.high < needed else "INCONCLUSIVE"


def _of_equality(narrow: Interval, wide: Interval, margin: float) -> Word:
    """Of a claim that there is none: two one-sided tests against the margin."""
    if within(narrow, margin) == "within":
        return "SUPPORTED"
    return "CONTRADICTED" if within(wide, margin) == "outside" else "INCONCLUSIVE"


class _Rates:
    """The difference of two success rates."""

    def __init__(self, pairs: Sequence[tuple[float, float]]) -> None:
        self.differences = [a - b for a, b in pairs]
        self.both = sum(1 for a, b in pairs if a and b)
        self.first = sum(1 for a, b in pairs if a and not b)
        self.second = sum(1 for a, b in pairs if b and not a)
        self.neither = len(pairs) - self.both - self.first - self.second

    def interval(self, level: float) -> Interval:
        return paired_rate_difference(self.both, self.first, self.second, self.neither, level)

    def p(self) -> float:
        return mcnemar(self.first, self.second)


class _Numbers:
    """The median of paired differences; of ratios, of their natural logarithms."""

    def __init__(self, pairs: Sequence[tuple[float, float]], ratio: bool) -> None:
        scale = _log if ratio else float
        self.differences = [_less(scale(a), scale(b)) for a, b in pairs]

    def interval(self, level: float) -> Interval:
        return median(self.differences, level)

    def p(self) -> float:
        return sign_flip(self.differences)


def _less(a: float, b: float) -> float:
    """a - b; two runs that both failed do not differ."""
    return 0.0 if a == b else a - b


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf


def _values(side: str, values: Mapping[str, Sequence[float | None]]) -> Sequence[float | None] | float:
    number = constant(side)
    return values[side] if number is None else number


def _matched(
    first: Sequence[float | None] | float, second: Sequence[float | None] | float
) -> tuple[Sequence[float | None], Sequence[float | None]]:
    """Both sides as sequences of one length: a number stands beside every run."""
    a = [first] * len(second) if isinstance(first, float) and not isinstance(second, float) else first
    b = [second] * len(first) if isinstance(second, float) and not isinstance(first, float) else second
    assert not isinstance(a, float)
    assert not isinstance(b, float)
    return a, b
