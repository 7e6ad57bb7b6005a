"""How likely a study is to support its claim if the truth is as its file expects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seqablate.statistics.power import paired_differences, paired_rates, unrelated
from seqablate.study.criterion import Criterion
from seqablate.study.verdict import judge
from seqablate.text import number, percent

if TYPE_CHECKING:
    import numpy as np

TARGET = 0.8  # the power at which a study that states no expectation would find its effect
STEP = 0.05  # of success rates
REPEATS = 4000  # simulated studies: the standard error of the power is 0.008 at most


@dataclass(frozen=True)
class Power:
    """How likely one criterion is to be supported.

    Attributes:
        criterion: which.
        expect: the truth that is assumed, as in :class:`Criterion`; None where none can be assumed.
        power: the probability; None likewise.
        stated: whether the file states that truth; otherwise it is the smallest difference of success rates that is
            found with a probability of 0.8.
    """

    criterion: Criterion
    expect: list[float] | None
    power: float | None
    stated: bool

    def line(self) -> str:
        """``power: solved 0.95 against 0.5: supported with a probability of 91 %``."""
        title = f"power of {self.criterion.title}"
        if self.expect is None or self.power is None:
            return f"{title}: unknown; state with expect: what you expect"
        a, b = map(number, self.expect)
        truth = f"rates {a} and {b}" if self.criterion.measure == "solved" else f"a mean of {a} with a deviation of {b}"
        kind = "expected" if self.stated else "the smallest effect that is found"
        return f"{title}: {percent(self.power)} for {truth} ({kind})"


def power_of(criterion: Criterion, seeds: int, alpha: float) -> Power:
    """The probability that a criterion is supported by so many seeds.

    Args:
        criterion: with what is expected; without, the smallest difference of rates that is found with 0.8.
        seeds: pairs.
        alpha: of the test.
    """
    if criterion.expect is not None:
        return Power(criterion, criterion.expect, _power(criterion, criterion.expect, seeds, alpha), True)
    if criterion.measure != "solved":
        return Power(criterion, None, None, False)
    for expect in _assumed(criterion):
        power = _power(criterion, expect, seeds, alpha)
        if power >= TARGET:
            break
    return Power(criterion, expect, power, False)


def _assumed(criterion: Criterion) -> Sequence[list[float]]:
    """Pairs of success rates, from the hardest to tell to the easiest."""
    steps = [round(number * STEP, 2) for number in range(int(1 / STEP) + 1)]
    if criterion.within is not None:
        return [[0.5 + each / 2] * 2 for each in steps]
    return [[0.5 + each / 2, 0.5 - each / 2] for each in steps if each >= criterion.needed]


def _power(criterion: Criterion, expect: Sequence[float], seeds: int, alpha: float) -> float:
    first, second = expect
    if criterion.measure == "solved":
        return paired_rates(seeds, unrelated(first, second), lambda *counts: _holds(criterion, _pairs(*counts), alpha))

    def draw(generator: np.random.Generator, count: int) -> np.ndarray:
        return generator.normal(first, second, count)

    return paired_differences(seeds, draw, lambda drawn: _finds(criterion, drawn, alpha), REPEATS)


def _pairs(both: int, first: int, second: int, neither: int) -> tuple[list[float], list[float]]:
    """Counts of pairs as two lists of outcomes."""
    a = [1.0] * (both + first) + [0.0] * (second + neither)
    b = [1.0] * both + [0.0] * first + [1.0] * second + [0.0] * neither
    return a, b


def _finds(criterion: Criterion, drawn: np.ndarray, alpha: float) -> bool:
    """Whether differences, of a ratio of logarithms, support the criterion."""
    import numpy as np

    values = np.exp(drawn) if criterion.is_ratio else drawn
    against = 1.0 if criterion.is_ratio else 0.0
    return _holds(criterion, (values.tolist(), [against] * len(values)), alpha)


def _holds(criterion: Criterion, pairs: tuple[list[float], list[float]], alpha: float) -> bool:
    """Whether these outcomes of the two sides support the criterion. A side that is a number does not matter here."""
    plain = Criterion(
        criterion.measure, f"a {'/' if criterion.is_ratio else '-'} b", criterion.at_least, criterion.within
    )
    return judge(plain, {plain.measure: {"a": pairs[0], "b": pairs[1]}}, alpha).word == "SUPPORTED"
