#!/usr/bin/env python3
"""How often intervals that seqablate does not use contain the true value, on the distributions of interval_coverage.py.

Of the interquartile mean: the percentile bootstrap, BCa and bootstrap-t (Efron & Tibshirani 1993, chapters 12 to 14),
and the t interval of a trimmed mean (Tukey & McLaughlin 1963). Of the mean: Student's t. Of a rate: the normal
approximation (Wald). Of the time to solve: the median of the runs that solved.

Then intervals of a rate and of differences of rates with other bounds of a single rate in the place of Wilson's, at all
true rates, and their mean width over all counts.

    python scripts/interval_coverage_rejected.py        1,500 repeats, n = 10 and 30: some minutes
"""

from __future__ import annotations

import argparse
import math
from functools import cache, partial

import numpy as np
from interval_coverage import CASES as USED
from interval_coverage import Case, Kind, ends_of, exact, simulate
from scipy.special import ndtr, ndtri
from scipy.stats import beta, binomtest
from scipy.stats import t as student_t

from seqablate.statistics import interval as used
from seqablate.statistics.interval import Interval, median

CUT = 0.25  # of the values at each end
RESAMPLES = 1000


@cache
def true_mean(kind: Kind, cut: float) -> float:
    """Of the distribution without that share at each end: by the midpoint rule over its quantiles."""
    shares = cut + (1 - 2 * cut) * (np.arange(200_000) + 0.5) / 200_000
    return float(np.mean(kind.value(ndtri(shares))))


def trimmed(x_RN: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of the middle and its standard error (winsorized variance), of every row of sorted values."""
    n = x_RN.shape[-1]
    cut = int(CUT * n)
    low, high = x_RN[..., cut : cut + 1], x_RN[..., n - cut - 1 : n - cut]
    deviation = np.clip(x_RN, low, high).std(axis=-1, ddof=1)
    return x_RN[..., cut : n - cut].mean(axis=-1), deviation / ((1 - 2 * cut / n) * math.sqrt(n))


def resamples(rng: np.random.Generator, x_N: np.ndarray) -> np.ndarray:
    return np.sort(x_N[rng.integers(len(x_N), size=(RESAMPLES, len(x_N)))], axis=1)


def tails(level: float) -> np.ndarray:
    return np.array([(1 - level) / 2, (1 + level) / 2])


def percentile(rng: np.random.Generator, x_N: np.ndarray, level: float) -> np.ndarray:
    return np.quantile(trimmed(resamples(rng, x_N))[0], tails(level))


def bca(rng: np.random.Generator, x_N: np.ndarray, level: float) -> np.ndarray:
    means, mean = trimmed(resamples(rng, x_N))[0], trimmed(x_N)[0]
    bias = ndtri(np.clip(np.mean(means < mean), 1 / RESAMPLES, 1 - 1 / RESAMPLES))
    without = trimmed(np.stack([np.delete(x_N, i) for i in range(len(x_N))]))[0]
    pull = without.mean() - without
    acceleration = np.sum(pull**3) / (6 * np.sum(pull**2) ** 1.5 + 1e-300)
    z = bias + ndtri(tails(level))
    return np.quantile(means, ndtr(bias + z / (1 - acceleration * z)))


def bootstrap_t(rng: np.random.Generator, x_N: np.ndarray, level: float) -> np.ndarray:
    (means, errors), (mean, error) = trimmed(resamples(rng, x_N)), trimmed(x_N)
    ratios = (means - mean) / np.maximum(errors, 1e-300)
    return mean - error * np.quantile(ratios, tails(level))[::-1]


def tukey_mclaughlin(_: np.random.Generator, x_N: np.ndarray, level: float) -> np.ndarray:
    mean, error = trimmed(x_N)
    return mean + error * student_t.ppf(tails(level), len(x_N) - 2 * int(CUT * len(x_N)) - 1)


def student(_: np.random.Generator, x_N: np.ndarray, level: float) -> np.ndarray:
    return x_N.mean() + x_N.std(ddof=1) / math.sqrt(len(x_N)) * student_t.ppf(tails(level), len(x_N) - 1)


def of_mean(rng: np.random.Generator, kind: Kind, n: int, level: float, bounds, cut: float) -> tuple[float, Interval]:
    x_N = np.sort(kind.value(rng.normal(size=n)))
    low, high = bounds(rng, x_N, level)
    return true_mean(kind, cut), Interval(None, float(low), float(high), n, level)


def wald(rng: np.random.Generator, kind: Kind, n: int, level: float) -> tuple[float, Interval]:
    share = float(np.mean(rng.normal(size=n) < kind.goal))
    half = float(ndtri((1 + level) / 2)) * math.sqrt(share * (1 - share) / n)
    return float(ndtr(kind.goal)), Interval(share, share - half, share + half, n, level)


def of_the_solved(rng: np.random.Generator, kind: Kind, n: int, level: float) -> tuple[float, Interval]:
    """Where at least 6 runs have solved: fewer have no interval."""
    solved = np.zeros(0)
    while len(solved) < 6:
        times = kind.time(rng.normal(size=n))
        solved = times[times <= ends_of(rng, kind, times, "budget")]
    return float(kind.time(np.zeros(1))[0]), median(solved.tolist(), level)


CASES: dict[str, Case] = {
    "interquartile mean, percentile bootstrap": partial(of_mean, bounds=percentile, cut=CUT),
    "interquartile mean, BCa": partial(of_mean, bounds=bca, cut=CUT),
    "interquartile mean, bootstrap-t": partial(of_mean, bounds=bootstrap_t, cut=CUT),
    "interquartile mean, Tukey-McLaughlin": partial(of_mean, bounds=tukey_mclaughlin, cut=CUT),
    "mean, Student's t": partial(of_mean, bounds=student, cut=0.0),
    "rate, Wald": wald,
    "median time of the runs that solved": of_the_solved,
    "beside them: median": USED["median"],
}


# Bounds of one rate


def of_scipy(k: int, n: int, level: float, method: str) -> tuple[float, float]:
    low, high = binomtest(k, n).proportion_ci(level, method=method)
    return max(float(low), 0.0), min(float(high), 1.0)


def jeffreys(k: int, n: int, level: float) -> tuple[float, float]:
    low, high = beta.ppf(tails(level), k + 0.5, n - k + 0.5)
    return (0.0 if k == 0 else float(low)), (1.0 if k == n else float(high))


BOUNDS = {
    "Wilson": used._wilson,
    "Wilson, continuity-corrected": partial(of_scipy, method="wilsoncc"),
    "Clopper-Pearson": partial(of_scipy, method="exact"),
    "Jeffreys": jeffreys,
}


def print_bounds(sizes: list[int], level: float) -> None:
    """Coverage of all three intervals of rates, lowest and mean over all true rates."""
    print("\n| bounds | n | mean width | rate | difference of rates | difference of paired rates |")
    print("| --- | --- | --- | --- | --- | --- |")
    for (name, bounds), n in ((each, n) for each in BOUNDS.items() for n in sizes):
        used._wilson = cache(bounds)
        width = np.mean([np.diff(used._wilson(k, n, level)) for k in range(n + 1)])
        found = [f"{100 * min(shares):.1f}, mean {100 * np.mean(shares):.1f}" for _, shares in exact(n, level)]
        print(f"| {name} | {n} | {width:.3f} | {' | '.join(found)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=1500)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 30])
    options = parser.parse_args()
    simulate(CASES, options.sizes, 0.95, options.repeats)
    print_bounds(options.sizes, 0.95)


if __name__ == "__main__":
    main()
