"""Whether a difference is so small that it does not matter, which a large p of a test for a difference cannot say."""

from __future__ import annotations

from typing import Literal

from seqablate.statistics.interval import Interval


def within(interval: Interval, margin: float) -> Literal["within", "outside", "undecided"]:
    """Where the interval of a difference lies against the margin below which a difference does not matter.

    With a 90 % interval, ``"within"`` is the outcome of two one-sided tests at 5 % each (Schuirmann 1987).

    Args:
        interval: of the difference. Without bounds nothing is decided.
        margin: stated before the data were seen; in the unit of the difference.

    Returns:
        ``"within"``: every value of the interval is smaller in size than the margin; ``"outside"``: none is;
        ``"undecided"``: some are.

    Raises:
        ValueError: the margin is not a positive number.
    """
    if not margin > 0:
        raise ValueError(f"a margin is a positive number, not {margin!r}")
    if interval.low is None or interval.high is None:
        return "undecided"
    if -margin < interval.low and interval.high < margin:
        return "within"
    return "outside" if interval.low >= margin or interval.high <= -margin else "undecided"
