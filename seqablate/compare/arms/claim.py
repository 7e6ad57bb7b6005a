"""One sentence that says what a comparison has found; it claims no more than the tests allow."""

from __future__ import annotations

from collections.abc import Sequence

from seqablate.compare.comparison import ArmResult, Contrast, Scale, Test
from seqablate.statistics.interval import Interval
from seqablate.text import counted, number

ALPHA = 0.05


def claim(arms: Sequence[ArmResult], contrasts: Sequence[Contrast], scale: Scale) -> str:
    """The sentence.

    Of one contrast it gives the numbers; of several how many differ, and the clearest of them.
    """
    if len(arms) == 1:
        return _alone(arms[0], scale)
    by_label = {arm.label: arm for arm in arms}
    tested = [(one, best) for one in contrasts if (best := _clearest(one)) is not None]
    if not tested:
        return f"{counted(len(arms), 'arm')}: no difference can be tested (see the notes)."
    one, test = min(tested, key=lambda pair: _p(pair[1]))
    arm, base = by_label[one.arm], by_label[one.baseline]
    words = _solved(one, arm, base) if test is one.solved else _value(one, arm, base, scale)
    if _p(test) > ALPHA:
        return f"No difference is shown. The clearest: {words}."
    if len(contrasts) == 1:
        return f"{words}."
    count = sum(_p(best) <= ALPHA for _, best in tested)
    return f"{count} of {len(contrasts)} arms differ from their baseline. The clearest: {words}."


def _clearest(one: Contrast) -> Test | None:
    """Of two as clear ones the numbers: they tell more than whether a task was solved."""
    tests = [test for test in (one.value, one.solved) if test is not None and test.p is not None]
    return min(tests, key=_p, default=None)


def _p(test: Test) -> float:
    return 1.0 if test.holm is None else test.holm


def _alone(arm: ArmResult, scale: Scale) -> str:
    solved = f", solved {_share(arm.solved)}" if arm.solved else ""
    return f"One arm, {arm.label}: {counted(arm.n, 'run')}{solved}, median {scale.label} {number(arm.value.estimate)}."


def _solved(one: Contrast, arm: ArmResult, base: ArmResult) -> str:
    """Without pairs too."""
    assert one.solved is not None
    return (
        f"{arm.label} solved {_share(arm.solved)}, {base.label} {_share(base.solved)}: "
        f"difference {_interval(one.solved.difference)}, {_tested(one, one.solved)}"
    )


def _value(one: Contrast, arm: ArmResult, base: ArmResult, scale: Scale) -> str:
    assert one.value is not None
    better = _better(one.value.difference.estimate, scale)
    return (
        f"{arm.label} is {better} than {base.label} in {scale.label}: "
        f"median difference {_interval(one.value.difference)}, {_tested(one, one.value)}"
    )


def _better(difference: float | None, scale: Scale) -> str:
    if not difference:
        return "not other"
    return "better" if (difference < 0) == scale.lower_is_better else "worse"


def _tested(one: Contrast, test: Test) -> str:
    pairs = f"{counted(one.pairs, 'pair')} of seeds" if one.pairs else "no pairs"
    return f"p = {p_value(_p(test))} ({pairs})"


def p_value(p: float | None) -> str:
    """``0.031``, ``below 0.0001``, ``–``."""
    if p is None:
        return "–"
    return "below 0.0001" if p < 0.0001 else f"{p:.2g}" if p < 0.1 else f"{p:.2f}"


def _share(interval: Interval | None) -> str:
    if interval is None or interval.estimate is None:
        return "–"
    return f"{round(interval.estimate * interval.n)} of {interval.n}"


def _interval(interval: Interval) -> str:
    if interval.low is None or interval.high is None:
        return number(interval.estimate)
    return f"{number(interval.estimate)} ({number(interval.low)} to {number(interval.high)})"
