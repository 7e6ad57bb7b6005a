"""What a study decides by: a measure, the two sides that it compares, and the effect that the claim needs."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from seqablate.comparison.measures import OTHERS
from seqablate.shape import Misfit

MEASURES = ("solved", "value", *(measure.name for measure in OTHERS))  # value: the headline metric of the task
AT_LENGTH = re.compile(r"value@[1-9]\d{0,8}")  # the same on test data of another length, one of eval.lengths
OF_PARTS = re.compile(r"value_\w+( - value_\w+)?")  # the same on a part of the test data, or on two, less one
ALPHA = 0.05  # of a study: the share of false verdicts that is accepted
SIDES = re.compile(r"\s*(\S+)\s+([-/])\s+(\S+)\s*")


@dataclass(frozen=True)
class Criterion:
    """One condition of a claim. All conditions of a study must hold for it to be supported.

    Attributes:
        measure: one of :data:`MEASURES`, one value for each run.
        compare: ``"lstm - rnn"``, the difference of two arms, or ``"lstm / gru"``, their ratio. A side may be a number.
        at_least: the smallest difference, or ratio, that the claim needs; None for a claim of equality.
        within: the margin: a difference is to be between -within and within, a ratio between 1 / within and within.
        expect: what the study is planned for: of ``solved`` the success rates of the two sides; else the mean and the
            standard deviation of the paired differences (of a ratio, of their natural logarithms). None: not stated.
    """

    measure: str
    compare: str
    at_least: float | None = None
    within: float | None = None
    expect: list[float] | None = None

    @property
    def sides(self) -> tuple[str, str]:
        """The two arms, or an arm and a number as it is written."""
        first, _, second = _parts(self.compare)
        return first, second

    @property
    def is_ratio(self) -> bool:
        return _parts(self.compare)[1] == "/"

    @property
    def needed(self) -> float:
        """The least effect, or the margin, on the scale of the test: a ratio as its logarithm."""
        number = self.at_least if self.within is None else self.within
        assert number is not None
        return math.log(number) if self.is_ratio else number

    @property
    def asked(self) -> str:
        """``at least 0.5``, ``-0.1 to 0.1``, of a ratio ``0.8 to 1.25``."""
        if self.within is None:
            return f"at least {self.at_least:g}"
        return f"{1 / self.within if self.is_ratio else -self.within:.3g} to {self.within:.3g}"

    @property
    def lines(self) -> list[float]:
        """The effects at which the claim begins to hold, or ceases to, on the scale of the file."""
        if self.within is None:
            return [self.shown(self.needed)]
        return [self.shown(-self.needed), self.shown(self.needed)]

    @property
    def title(self) -> str:
        """``solved: lstm - rnn at least 0.5``."""
        return f"{self.measure}: {self.compare} {self.asked}"

    def shown(self, effect: float) -> float:
        """An effect on the scale of the file: of a ratio the ratio itself."""
        if not self.is_ratio:
            return effect
        return math.exp(effect) if effect < 700 else math.inf


def _parts(compare: str) -> tuple[str, str, str]:
    found = SIDES.fullmatch(compare)
    if found is None:
        raise Misfit(f"must be two sides such as 'lstm - rnn' or 'lstm / rnn' (with spaces), not {compare!r}")
    first, sign, second = found.groups()
    return first, sign, second


def constant(side: str) -> float | None:
    """The number that a side is; None if it names an arm."""
    try:
        number = float(side)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def check(criterion: Criterion, arms: list[str]) -> None:
    """Refuse what cannot be decided (Misfit names the key)."""
    if not _known(criterion.measure):
        known = ", ".join((*MEASURES, "value@LENGTH", "value_PART", "value_PART - value_PART"))
        raise Misfit(f"must be one of {known}, not {criterion.measure!r}", ("measure",))
    try:
        sides = criterion.sides
    except Misfit as error:
        raise error.under("compare") from None
    numbers = [constant(side) for side in sides]
    for side, number in zip(sides, numbers, strict=True):
        if number is None and side not in arms:
            raise Misfit(f"names {side!r}, which is no arm: there are {', '.join(arms)}", ("compare",))
    if sides[0] == sides[1] or None not in numbers:
        raise Misfit("must have two sides, one of them an arm, which differ", ("compare",))
    if criterion.measure == "solved" and (criterion.is_ratio or numbers != [None, None]):
        raise Misfit("of solved must be the difference of two arms, such as 'lstm - rnn'", ("compare",))
    if criterion.is_ratio and any(number is not None and number <= 0 for number in numbers):
        raise Misfit("of a ratio must have positive sides", ("compare",))
    _check_effect(criterion)


def _known(measure: str) -> bool:
    return measure in MEASURES or any(words.fullmatch(measure) for words in (AT_LENGTH, OF_PARTS))


def _check_effect(criterion: Criterion) -> None:
    asked = {"at_least": criterion.at_least, "within": criterion.within}
    given = {name: number for name, number in asked.items() if number is not None}
    if len(given) != 1:
        raise Misfit("must have one of at_least and within: the effect that the claim needs, or the margin of equality")
    (name, number), least = given.popitem(), 1.0 if criterion.is_ratio else 0.0
    if not least < number < math.inf:
        other = "; name the sides the other way round if the first is to be smaller" if name == "at_least" else ""
        raise Misfit(f"must be a number above {least:g}, not {number:g}{other}", (name,))
    if criterion.measure == "solved" and number > 1:
        raise Misfit(f"must be a difference of shares, at most 1, not {number:g}", (name,))
    expect = criterion.expect
    if expect is None:
        return
    if len(expect) != 2 or not all(map(math.isfinite, expect)):
        raise Misfit("must be two numbers", ("expect",))
    if criterion.measure == "solved" and not all(0 <= rate <= 1 for rate in expect):
        raise Misfit("must be two success rates from 0 to 1", ("expect",))
    if criterion.measure != "solved" and expect[1] < 0:
        raise Misfit("must be the mean and the standard deviation of the paired differences", ("expect",))
