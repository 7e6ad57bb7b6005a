#!/usr/bin/env python3
"""How often a verdict is wrong, and how often it finds what is there: simulated studies, judged as real ones are.

A study compares two arms, paired by seed. 60 % of the runs of an arm solve the task and the others stay at chance
level, unless stated otherwise. The verdict is that of seqablate.study.verdict.

1. The arms do not differ, and "a is better than b" is SUPPORTED: by a study as it is; with declared looks; by someone
   who repeats it with other seeds, or tunes one arm more. The smallest effect that matters is set so small that only
   the test counts. "Without the rules" is the same verdict where every look and every repetition may use the whole 5 %,
   the best one counts, and the tuning uses the seeds of the study.
2. The arms differ by exactly what the claim needs, and it is CONTRADICTED; by exactly the margin, and equality is
   SUPPORTED.
3. The arms differ by more: the share of SUPPORTED, and the power that `seqablate study plan` states.

    python scripts/false_verdicts.py           2,000 studies of each kind

Exit code 1 where a wrong verdict is more frequent than 5 %, or a power differs from the planned one by more than 0.03;
two standard errors are allowed for.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable
from functools import partial
from itertools import product

import numpy as np
from interval_coverage import KINDS, pairs

from seqablate.study.criterion import Criterion
from seqablate.study.power import power_of
from seqablate.study.verdict import ALPHA, Word, decide, together

TINY = 1e-12  # an effect that any difference reaches
FEWEST = 6  # seeds of a first look
RATES = 4  # learning rates that one arm is tuned over; the other arm has one
TUNING_SEEDS = 3
REPEATS = 5  # of a study, with other seeds
TASK = KINDS["60 % solved"]

Runs = tuple[np.ndarray, np.ndarray]  # the luck of each run of both arms, a standard normal number; low is good
BETTER = {  # criteria of "a is better than b"
    "solved": Criterion("solved", "a - b", at_least=TINY),
    "value": Criterion("value", "b - a", at_least=TINY),
    "steps_to_solve": Criterion("steps_to_solve", "b - a", at_least=TINY),
}
MEASURED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "solved": lambda z: (z < TASK.goal).astype(float),
    "value": TASK.value,
    "steps_to_solve": TASK.time,
}


def verdict(criterion: Criterion, runs: Runs, alpha: float = ALPHA) -> Word:
    """Of the runs' measures."""
    a, b = (MEASURED[criterion.measure](z).tolist() for z in runs)
    return of_values(criterion, a, b, alpha)


def of_values(criterion: Criterion, a: list[float], b: list[float], alpha: float = ALPHA) -> Word:
    return decide([criterion], {criterion.measure: {"a": a, "b": b}}, alpha=alpha).word


# 1. Studies of arms that do not differ: a word for each, by the rules or without them


def one_study(rng: np.random.Generator, criterion: Criterion, n: int) -> Word:
    return verdict(criterion, pairs(rng, n, 0))


def looked_at(criterion: Criterion, runs: Runs, looks: Iterable[int], alpha: float) -> Word:
    """The first look that decides."""
    words = (verdict(criterion, (runs[0][:n], runs[1][:n]), alpha) for n in looks)
    return next((word for word in words if word != "INCONCLUSIVE"), "INCONCLUSIVE")


def declared_looks(rng: np.random.Generator, criterion: Criterion, n: int) -> Word:
    looks = sorted({max(FEWEST, n // 3), max(FEWEST, 2 * n // 3), n})
    return looked_at(criterion, pairs(rng, n, 0), looks, ALPHA / len(looks))


def undeclared_looks(rng: np.random.Generator, criterion: Criterion, n: int) -> Word:
    runs = pairs(rng, n, 0)
    return best(verdict(criterion, (runs[0][:look], runs[1][:look])) for look in range(FEWEST, n + 1))


def best(words: Iterable[Word]) -> Word:
    return "SUPPORTED" if "SUPPORTED" in words else "INCONCLUSIVE"


def repeated(rng: np.random.Generator, criterion: Criterion, n: int) -> Word:
    """Until it is supported; all repetitions are reported together, at every stop that one could make."""
    words: list[Word] = []
    while len(words) < REPEATS and (not words or together(words) != "SUPPORTED"):
        words.append(one_study(rng, criterion, n))
    return together(words)


def best_repetition(rng: np.random.Generator, criterion: Criterion, n: int) -> Word:
    return best(one_study(rng, criterion, n) for _ in range(REPEATS))


def tuned_more(rng: np.random.Generator, criterion: Criterion, n: int) -> Word:
    """a has the best of several rates, none of which matters, on seeds of their own."""
    tuning = rng.normal(size=(RATES, TUNING_SEEDS))
    chosen = int(np.argmin(np.median(tuning, axis=1)))
    candidates = rng.normal(size=(RATES, n))
    return verdict(criterion, (candidates[chosen], rng.normal(size=n)))


def tuned_on_the_same_seeds(rng: np.random.Generator, criterion: Criterion, n: int) -> Word:
    candidates = rng.normal(size=(RATES, n))
    chosen = int(np.argmin(np.median(candidates, axis=1)))
    return verdict(criterion, (candidates[chosen], rng.normal(size=n)))


RESEARCHERS = {
    "one study": (one_study, one_study),
    "looks after a third and two thirds; without the rules after every seed": (declared_looks, undeclared_looks),
    f"up to {REPEATS} repetitions": (repeated, best_repetition),
    f"one arm tuned over {RATES} rates": (tuned_more, tuned_on_the_same_seeds),
}


# 2. and 3. Studies of arms that differ


def paired_normal(mean: float, deviation: float) -> Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]:
    return lambda rng, n: (rng.normal(mean, deviation, n), np.zeros(n))


def unrelated_rates(first: float, second: float) -> Callable[[np.random.Generator, int], Runs]:
    return lambda rng, n: tuple((rng.random(n) < rate).astype(float) for rate in (first, second))


def truth(criterion: Criterion) -> Callable[[np.random.Generator, int], Runs]:
    """What draws values of both arms, as the criterion expects them."""
    assert criterion.expect is not None
    return (unrelated_rates if criterion.measure == "solved" else paired_normal)(*criterion.expect)


BORDERLINE: list[tuple[Criterion, Word]] = [
    (Criterion("solved", "a - b", at_least=0.4, expect=[0.9, 0.5]), "CONTRADICTED"),
    (Criterion("solved", "a - b", at_least=0.1, expect=[1.0, 0.9]), "CONTRADICTED"),
    (Criterion("value", "a - b", at_least=0.5, expect=[0.5, 1]), "CONTRADICTED"),
    (Criterion("solved", "a - b", within=0.2, expect=[0.9, 0.7]), "SUPPORTED"),
    (Criterion("solved", "a - b", within=0.3, expect=[0.6, 0.3]), "SUPPORTED"),
    (Criterion("value", "a - b", within=0.5, expect=[0.5, 1]), "SUPPORTED"),
]
PLANNED = [
    Criterion("solved", "a - b", at_least=0.1, expect=[0.95, 0.5]),
    Criterion("solved", "a - b", at_least=0.3, expect=[0.9, 0.4]),
    Criterion("value", "a - b", at_least=0.3, expect=[1, 1]),
    Criterion("solved", "a - b", within=0.3, expect=[0.95, 0.95]),
    Criterion("value", "a - b", within=1.0, expect=[0, 1]),
]


# Shares


def share(studies: int, word: Word, study: Callable[[np.random.Generator], Word]) -> float:
    """Of so many studies those with that verdict."""
    rng = np.random.default_rng(0)
    return sum(study(rng) == word for _ in range(studies)) / studies


def error(of: float, studies: int) -> float:
    """Two standard errors of a share."""
    return 2 * math.sqrt(of * (1 - of) / studies)


def print_no_difference(sizes: list[int], studies: int) -> float:
    """The largest share of SUPPORTED by the rules."""
    print("| no difference: SUPPORTED | measure | seeds | by the rules | without the rules |")
    print("| --- | --- | --- | --- | --- |")
    worst = 0.0
    for (who, ways), (measure, criterion), n in product(RESEARCHERS.items(), BETTER.items(), sizes):
        found = [share(studies, "SUPPORTED", partial(way, criterion=criterion, n=n)) for way in ways]
        print(f"| {who} | {measure} | {n} | {' | '.join(f'{100 * each:.1f} %' for each in found)} |", flush=True)
        worst = max(worst, found[0])
    return worst


def simulated(criterion: Criterion, word: Word, n: int, studies: int) -> float:
    draw = truth(criterion)
    return share(studies, word, lambda rng: of_values(criterion, *(side.tolist() for side in draw(rng, n))))


def print_borderline(sizes: list[int], studies: int) -> float:
    """The largest share of wrong verdicts."""
    print("\n| exactly at the limit | wrong verdict | seeds | share |\n| --- | --- | --- | --- |")
    worst = 0.0
    for (criterion, word), n in product(BORDERLINE, sizes):
        found = simulated(criterion, word, n, studies)
        print(f"| {criterion.title}; expected {criterion.expect} | {word} | {n} | {100 * found:.1f} % |", flush=True)
        worst = max(worst, found)
    return worst


def print_power(sizes: list[int], studies: int) -> float:
    """The largest difference from the plan."""
    print("\n| a difference: SUPPORTED | seeds | simulated | planned |\n| --- | --- | --- | --- |")
    worst = 0.0
    for criterion, n in product(PLANNED, sizes):
        found, planned = simulated(criterion, "SUPPORTED", n, studies), power_of(criterion, n, ALPHA).power
        assert planned is not None
        print(f"| {criterion.title}; expected {criterion.expect} | {n} | {found:.3f} | {planned:.3f} |", flush=True)
        worst = max(worst, abs(found - planned))
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=2000, help="of each kind")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 30], help="seeds")
    options = parser.parse_args()
    wrong = max(print_no_difference(options.sizes, options.studies), print_borderline(options.sizes, options.studies))
    apart = print_power(options.sizes, options.studies)
    print(f"\nmost frequent wrong verdict: {100 * wrong:.1f} %; largest difference from the planned power: {apart:.3f}")
    raise SystemExit(wrong > ALPHA + error(ALPHA, options.studies) or apart > 0.03 + error(0.5, options.studies))


if __name__ == "__main__":
    main()
