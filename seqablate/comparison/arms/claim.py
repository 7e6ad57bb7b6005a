"""One sentence that says what a comparison has found; it claims no more than the tests allow."""

from __future__ import annotations

from collections.abc import Sequence

from seqablate.comparison.result import ArmResult, Contrast, Scale, Test
from seqablate.statistics.interval import Interval
from seqablate.text import counted, result

ALPHA = 0.05


def claim(arms: Sequence[ArmResult], contrasts: Sequence[Contrast], scale: Scale) -> str:
    """The sentence.

    Of one contrast it gives the numbers; of several how many differ, and the clearest of them.
    """
    if len(arms) == 1:
        return _alone(arms[0], scale)
    tested = [(one, test) for one in contrasts for test in (one.value, one.solved) if test is not None]
    if not tested:
        return f"{counted(len(arms), 'arm')}: no difference can be tested (see the notes)."
    one, test = min(tested, key=lambda pair: _p(pair[1]))
    if _p(test) > ALPHA:
        return f"No difference is shown. The smallest p is that of {_numbers(one, test, scale)}."
    words = _difference(one, scale)
    if len(contrasts) == 1:
        return f"{words}."
    clear = {id(each) for each, found in tested if _p(found) <= ALPHA}
    return f"{len(clear)} of {len(contrasts)} arms differ from their baseline. The clearest: {words}."


def _p(test: Test) -> float:
    return 1.0 if test.holm is None else test.holm


def _alone(arm: ArmResult, scale: Scale) -> str:
    solved = f", solved {_share(arm.solved)}" if arm.solved else ""
    return f"One arm, {arm.label}: {counted(arm.n, 'seed')}{solved}, median {scale.label} {result(arm.value.estimate)}."


def _difference(one: Contrast, scale: Scale) -> str:
    """What is clear of a contrast: of shares, of numbers, or of both."""
    tests = [test for test in (one.solved, one.value) if test is not None and _p(test) <= ALPHA]
    return "; ".join(_statement(one, test, scale) for test in tests)


def _statement(one: Contrast, test: Test, scale: Scale) -> str:
    if test is one.solved:
        word = "more often" if test.direction > 0 else "less often"
        return f"{one.arm} solved the task {word} than {one.baseline}: {_shares(one)}, {_tested(one, test)}"
    return f"{one.arm} {_relation(test, scale)} {one.baseline} in {scale.label}: {_median(test)}, {_tested(one, test)}"


def _relation(test: Test, scale: Scale) -> str:
    """The median and the test, which is of ranks, may point to different sides; then neither is claimed."""
    estimate = test.difference.estimate
    if not estimate or (estimate > 0) != (test.direction > 0):
        return "differs from"
    if scale.split is None:  # a number of the run itself: whether more of it is better depends on the question
        return "is higher than" if estimate > 0 else "is lower than"
    return "is better than" if (estimate < 0) == scale.lower_is_better else "is worse than"


def _numbers(one: Contrast, test: Test, scale: Scale) -> str:
    """The same without a verdict."""
    words = _shares(one) if test is one.solved else f"{scale.label}, {_median(test)}"
    return f"{one.arm} less {one.baseline}: {words}, {_tested(one, test)}"


def _shares(one: Contrast) -> str:
    """Of the runs that are compared."""
    assert one.successes is not None
    assert one.solved is not None
    k1, n1, k2, n2 = one.successes
    return f"solved {k1} of {n1} against {k2} of {n2}, difference {_interval(one.solved.difference)}"


def _median(test: Test) -> str:
    return f"median difference {_interval(test.difference)}"


def _tested(one: Contrast, test: Test) -> str:
    pairs = f"{counted(one.pairs, 'seed')} in pairs" if one.pairs else "without pairs"
    p = p_value(_p(test))
    return f"p {p} ({pairs})" if p.startswith("below") else f"p = {p} ({pairs})"


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
        return result(interval.estimate)
    return f"{result(interval.estimate)} ({result(interval.low)} to {result(interval.high)})"
