#!/usr/bin/env python3
"""How often an interval of nominally 95 % contains the true value, for every interval that seqablate prints.

Simulated: runs of an arm, or of two arms, whose values follow one of four distributions; each interval of
seqablate.statistics is computed from them and compared with the true value. The fourth distribution is what a task with
long dependencies gives: 60 % of the runs solve it and the others stay at chance level.

Exact: the intervals of rates again, at every true rate on a grid, by the probability of each possible count.

    python scripts/interval_coverage.py                 2,000 repeats, n = 10 and 30
    python scripts/interval_coverage.py --level 0.9     the intervals by which equivalence is decided

Exit code 1 where a coverage is more than one point below its level: of an interval of medians on any distribution (two
standard errors are allowed for), of an interval of rates on average over all true rates. Counts are few and whole
numbers, so that the coverage of the latter goes up and down with the true rate.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import product
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from seqablate.statistics.censored import median_time
from seqablate.statistics.interval import Interval, median, paired_rate_difference, rate, rate_difference
from seqablate.statistics.power import paired_rates, rates

TOLERANCE = 0.01  # by which an interval may fall short of its level
CORRELATION = 0.5  # of the two runs of a pair, before their values get their distribution
WORSE = 1.0  # standard deviations by which the second arm is worse, where the arms differ
SOLVED = float(ndtri(0.6))
REFERENCE = 200_000  # pairs that give the true median difference of arms that differ
GRID = [k / 20 for k in range(1, 20)]  # true rates


class Kind(NamedTuple):
    """A distribution of runs: ascending functions of a standard normal number, the run's luck.

    Attributes:
        value: of the metric.
        time: of solving; ``inf``: never.
        goal: a run whose number is below it has solved.
    """

    value: Callable[[np.ndarray], np.ndarray]
    time: Callable[[np.ndarray], np.ndarray]
    goal: float


def solved_or_stuck(z: np.ndarray) -> np.ndarray:
    return np.where(z < SOLVED, 0.01 * np.exp(0.3 * z), 0.167 * np.exp(0.02 * z))


def t_3(z: np.ndarray) -> np.ndarray:
    return stdtrit(3, ndtr(z))


KINDS = {
    "normal": Kind(lambda z: z, lambda z: np.exp(0.3 * z), 0.0),
    "lognormal": Kind(np.exp, np.exp, 0.5),
    "t, 3 d.f.": Kind(t_3, lambda z: np.exp(0.3 * t_3(z)), -0.5),
    "60 % solved": Kind(solved_or_stuck, lambda z: np.where(z < SOLVED, np.exp(0.3 * z), np.inf), SOLVED),
}
Case = Callable[[np.random.Generator, Kind, int, float], tuple[float, Interval]]  # the true value and an interval


# One repeat of each case


def one_rate(rng: np.random.Generator, kind: Kind, n: int, level: float) -> tuple[float, Interval]:
    return float(ndtr(kind.goal)), rate(int(np.sum(rng.normal(size=n) < kind.goal)), n, level)


def one_median(rng: np.random.Generator, kind: Kind, n: int, level: float) -> tuple[float, Interval]:
    return float(kind.value(np.zeros(1))[0]), median(kind.value(rng.normal(size=n)).tolist(), level)


def two_rates(rng: np.random.Generator, kind: Kind, n: int, level: float, worse: float) -> tuple[float, Interval]:
    first, second = (int(np.sum(rng.normal(shift, size=n) < kind.goal)) for shift in (0, worse))
    return difference_of_rates(kind, worse), rate_difference(first, n, second, n, level)


def difference_of_rates(kind: Kind, worse: float) -> float:
    return float(ndtr(kind.goal) - ndtr(kind.goal - worse))


def pairs(rng: np.random.Generator, n: int, worse: float) -> tuple[np.ndarray, np.ndarray]:
    """Two arms' luck: what a pair shares, and what each run has for itself."""
    shared, first, second = rng.normal(size=(3, n))
    own = math.sqrt(1 - CORRELATION)
    return (
        math.sqrt(CORRELATION) * shared + own * first,
        math.sqrt(CORRELATION) * shared + own * second + worse,
    )


def two_paired_rates(
    rng: np.random.Generator, kind: Kind, n: int, level: float, worse: float
) -> tuple[float, Interval]:
    one, other = (z < kind.goal for z in pairs(rng, n, worse))
    counts = [int(np.sum(table)) for table in (one & other, one & ~other, ~one & other, ~one & ~other)]
    return difference_of_rates(kind, worse), paired_rate_difference(*counts, level)


def paired_median(rng: np.random.Generator, kind: Kind, n: int, level: float, worse: float) -> tuple[float, Interval]:
    one, other = (kind.value(z) for z in pairs(rng, n, worse))
    return true_median_difference(kind, worse), median((one - other).tolist(), level)


@cache
def true_median_difference(kind: Kind, worse: float) -> float:
    one, other = (kind.value(z) for z in pairs(np.random.default_rng(1), REFERENCE, worse))
    return float(np.median(one - other)) if worse else 0.0


def one_time(rng: np.random.Generator, kind: Kind, n: int, level: float, censoring: str) -> tuple[float, Interval]:
    times = kind.time(rng.normal(size=n))
    ends = ends_of(rng, kind, times, censoring)
    seen = median_time(np.minimum(times, ends).tolist(), (times <= ends).tolist(), level)
    return float(kind.time(np.zeros(1))[0]), seen


def ends_of(rng: np.random.Generator, kind: Kind, times: np.ndarray, censoring: str) -> np.ndarray:
    """When each run ends at the latest: at the budget, and some before.

    Interrupted: at a random time. Impatient: two of five, shortly before they would have solved.
    """
    budget = np.full(len(times), kind.time(np.array([0.2]))[0])
    if censoring == "interrupted":
        return np.minimum(budget, rng.exponential(2 * budget))
    if censoring == "impatient":
        return np.where(rng.random(len(times)) < 0.4, np.minimum(budget, 0.95 * times), budget)
    return budget


CASES: dict[str, Case] = {
    "rate": one_rate,
    "median": one_median,
    "difference of rates, equal arms": partial(two_rates, worse=0.0),
    "difference of rates, second worse": partial(two_rates, worse=WORSE),
    "difference of paired rates, equal arms": partial(two_paired_rates, worse=0.0),
    "difference of paired rates, second worse": partial(two_paired_rates, worse=WORSE),
    "median of paired differences, equal arms": partial(paired_median, worse=0.0),
    "median of paired differences, second worse": partial(paired_median, worse=WORSE),
    "median time, budget": partial(one_time, censoring="budget"),
    "median time, budget and interruptions": partial(one_time, censoring="interrupted"),
    "median time, ended before it solves": partial(one_time, censoring="impatient"),
}


# Coverage


def coverage(case: Case, kind: Kind, n: int, level: float, repeats: int) -> float:
    """The share of simulated intervals that contain the true value."""
    rng = np.random.default_rng(0)
    return sum(contains(*case(rng, kind, n, level)) for _ in range(repeats)) / repeats


def contains(truth: float, interval: Interval) -> bool:
    return interval.low is not None and interval.high is not None and interval.low <= truth <= interval.high


def simulate(cases: dict[str, Case], sizes: list[int], level: float, repeats: int) -> dict[str, float]:
    """Print a row for each case and size; the lowest share of each case."""
    print(f"| interval | n | {' | '.join(KINDS)} |\n| --- |{' --- |' * (len(KINDS) + 1)}")
    lowest = dict.fromkeys(cases, 1.0)
    for (name, case), n in product(cases.items(), sizes):
        row = [coverage(case, kind, n, level, repeats) for kind in KINDS.values()]
        print(f"| {name} | {n} | {' | '.join(f'{100 * share:.1f}' for share in row)} |", flush=True)
        lowest[name] = min(lowest[name], *row)
    return lowest


def exact(n: int, level: float) -> Iterator[tuple[str, list[float]]]:
    """Of every interval of rates the coverage at each true rate, or pair of true rates, of the grid."""
    one = cache(partial(rate, n=n, level=level))
    yield "rate", [rates(n, p, 0, 0.5, lambda k, _, p=p: contains(p, one(k))) for p in GRID]
    two = cache(partial(rate_difference, n1=n, n2=n, level=level))
    both = list(product(GRID[::2], repeat=2))
    yield (
        "difference of rates",
        [rates(n, p, n, q, lambda k, m, d=p - q: contains(d, two(k1=k, k2=m))) for p, q in both],
    )
    four = cache(partial(paired_rate_difference, level=level))
    yield (
        "difference of paired rates",
        [paired_rates(n, s, lambda *t, d=s[1] - s[2]: contains(d, four(*t))) for s in tables(both)],
    )


def tables(marginal: list[tuple[float, float]]) -> list[tuple[float, float, float, float]]:
    """Pairs that have nothing in common, and pairs half as alike as their rates allow."""
    shares = []
    for (p, q), alike in product(marginal, (0.0, 0.5)):
        together = (1 - alike) * p * q + alike * min(p, q)
        shares.append((together, p - together, q - together, 1 - p - q + together))
    return shares


def print_exact(sizes: list[int], level: float) -> list[float]:
    """Their means."""
    least = level - TOLERANCE
    print(f"\n| exact, over all true rates | n | lowest | mean | rates with less than {100 * least:.0f} % |")
    print("| --- | --- | --- | --- | --- |")
    means = []
    for n in sizes:
        for name, found in exact(n, level):
            few = sum(share < least for share in found) / len(found)
            means.append(float(np.mean(found)))
            print(f"| {name} | {n} | {100 * min(found):.1f} | {100 * means[-1]:.1f} | {100 * few:.0f} % |", flush=True)
    return means


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=2000)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 30], help="runs or pairs")
    parser.add_argument("--level", type=float, default=0.95, help="0.9: as two one-sided tests need it")
    options = parser.parse_args()
    lowest = simulate(CASES, options.sizes, options.level, options.repeats)
    medians = min(share for name, share in lowest.items() if "median" in name)
    rates_mean = min(print_exact(options.sizes, options.level))
    least = options.level - TOLERANCE
    error = math.sqrt(least * (1 - least) / options.repeats)
    print(f"\nlowest of medians: {100 * medians:.1f} % (standard error {100 * error:.1f} %)")
    print(f"lowest mean of rates: {100 * rates_mean:.1f} %")
    raise SystemExit(medians < least - 2 * error or rates_mean < least)


if __name__ == "__main__":
    main()
