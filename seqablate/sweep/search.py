"""Search over numbers: a sweep's values for some keys, drawn from distributions.

    'optim.lr=loguniform(1e-4,1e-1)' 'model.hidden_size=randint(16,128)' sweep.samples=20

All such keys together make a space, in which points are drawn once. Each arm (a combination of the values of the other
keys) gets the same points. They depend on the keys, their distributions, the sampler and its seed alone; the points of
more samples begin with those of fewer. With Optuna this is so of the first ones; :mod:`seqablate.sweep.tuner` has the
rest. Imports no torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from seqablate.config.overrides import expand_sweep, is_drawn, refuse_too_many
from seqablate.errors import UsageError, shorten
from seqablate.streams import stream
from seqablate.sweep.options import Sampler, SweepOptions
from seqablate.text import counted

DIGITS = 6  # significant ones of a value
MOST_DRAWN = 1 << 16  # points, to find as many different ones as are wanted
LARGEST_INTEGER = 1 << 53  # up to here every integer is a float64
STARTUP = 10  # points before Optuna proposes any: those of the Sobol sequence, the same for every arm
Point = tuple[str, ...]  # an override word for each key of a space


@dataclass(frozen=True, slots=True)
class Distribution:
    """What a word gives a key, such as ``loguniform(1e-4,1e-1)``.

    Attributes:
        key: the key as written, such as ``optim.lr``.
        kind: loguniform, uniform or randint.
        low, high: the smallest and the largest value; both can be drawn.
    """

    key: str
    kind: str
    low: float
    high: float

    @property
    def marker(self) -> str:
        """A word that Hydra's grammar reads as one value, in the place of this one."""
        return f"{self.key}='{self.kind}({self.low!r},{self.high!r})'"

    def word(self, share: float) -> str:
        """The override word of a value.

        Args:
            share: which value, in [0, 1): the probability of a smaller one.

        Example:
            >>> Distribution("optim.lr", "loguniform", 1e-4, 1e-1).word(0.5)
            'optim.lr=0.00316228'
            >>> Distribution("model.hidden_size", "randint", 16, 128).word(0.5)
            'model.hidden_size=72'
        """
        if self.kind == "randint":
            return self.written(int(self.low + share * (self.high - self.low + 1)))
        if self.kind == "uniform":
            return self.written(self.low + share * (self.high - self.low))
        return self.written(math.exp(math.log(self.low) + share * (math.log(self.high) - math.log(self.low))))

    def written(self, value: float) -> str:
        """The override word of a value: an integer as it is, another number rounded, neither beyond the ends."""
        rounded = value if self.kind == "randint" else float(f"{value:.{DIGITS}g}")
        return f"{self.key}={min(max(rounded, self.low), self.high)!r}"


def expand(words: Sequence[str], options: SweepOptions) -> list[list[str]]:
    """The words of each run of a sweep: every point in every arm. The points change slowest.

    Raises:
        UsageError: a word that cannot be read, distributions without a number of samples or the other way round, more
            runs than a sweep can have, or fewer different points than samples.
    """
    arms, space = read_search(words, options)
    points = draw(space, options)
    return [place(point, space, arm) for point in points for arm in arms]


def read_search(words: Sequence[str], options: SweepOptions) -> tuple[list[list[str]], list[Distribution]]:
    """The arms of a sweep, with a marker for each key that is to be drawn, and the distributions of these keys.

    Raises:
        UsageError: as :func:`expand`.
    """
    drawn = {found.marker: found for found in map(read_distribution, filter(is_drawn, words))}
    marked = [read_distribution(word).marker if is_drawn(word) else word for word in words]
    arms = expand_sweep(marked)
    space = sorted((drawn[word] for word in arms[0] if word in drawn), key=lambda each: each.key)
    _check_number([word for word in words if is_drawn(word)] if space else [], options, len(arms))
    return arms, space


def place(point: Point, space: Sequence[Distribution], arm: Sequence[str]) -> list[str]:
    """The words of an arm with those of a point in the places of its markers."""
    words = {each.marker: word for each, word in zip(space, point, strict=True)}
    return [words.get(word, word) for word in arm]


def read_distribution(word: str) -> Distribution:
    """The distribution in a word (UsageError if its numbers cannot be taken)."""
    key, _, value = word.partition("=")
    kind, _, inside = value.strip().removesuffix(")").partition("(")
    kind = kind.strip()
    number: Callable[[str], float] = int if kind == "randint" else float
    try:
        low, high = map(number, inside.split(","))
    except ValueError:
        raise _wrong(word, kind) from None
    if kind == "randint":
        fits = -LARGEST_INTEGER <= low < high <= LARGEST_INTEGER
    else:
        fits = low < high and math.isfinite(high - low) and (kind == "uniform" or low > 0)
    if not fits:
        raise _wrong(word, kind)
    return Distribution(key, kind, low, high)


def _wrong(word: str, kind: str) -> UsageError:
    of = {"loguniform": "positive numbers", "uniform": "numbers", "randint": "whole numbers"}[kind]
    return UsageError(f"{shorten(word)}: write {kind}(a,b) with two {of}, a below b")


def _check_number(drawn: Sequence[str], options: SweepOptions, arms: int) -> None:
    """Words with distributions need a number of samples, and a number needs such words (UsageError)."""
    samples = options.sweep.samples
    if drawn and samples is None:
        raise UsageError(f"{shorten(drawn[0])}: say how many values are drawn, such as sweep.samples=20")
    if samples is not None and not drawn:
        raise UsageError(
            f"sweep.samples={samples}: no key has a distribution, such as 'optim.lr=loguniform(1e-4,1e-1)'"
        )
    refuse_too_many(f"sweep.samples={samples}", arms * (samples or 1))


def draw(space: Sequence[Distribution], options: SweepOptions) -> list[Point]:
    """As many different points as there are to be; with Optuna the first of them. One empty point without keys.

    Raises:
        UsageError: there are not so many (``randint(1,3)`` has three).
    """
    if not space:
        return [()]
    sampler, samples = options.sweep.sampler, options.sweep.samples or 0
    if sampler is Sampler.optuna:
        return different_points(space, samples, Sampler.sobol, options.sweep.sample_seed)[:STARTUP]
    return different_points(space, samples, sampler, options.sweep.sample_seed)


def different_points(space: Sequence[Distribution], wanted: int, sampler: Sampler, seed: int) -> list[Point]:
    """As many different points as are wanted, the first ones of a sequence (UsageError if there are not so many)."""
    points: list[Point] = []
    for exponent in range((wanted - 1).bit_length(), MOST_DRAWN.bit_length()):
        shares = SAMPLERS[sampler](exponent, len(space), stream(seed, "search"))
        points = list(dict.fromkeys(_point(space, row) for row in shares.tolist()))
        if len(points) >= wanted:
            return points[:wanted]
    raise UsageError(f"sweep.samples={wanted}: only {counted(len(points), 'different value')} can be drawn")


def _point(space: Sequence[Distribution], shares: Sequence[float]) -> Point:
    return tuple(each.word(share) for each, share in zip(space, shares, strict=True))


def _sobol(exponent: int, keys: int, generator: np.random.Generator) -> np.ndarray:
    """2^exponent points of a scrambled Sobol sequence in the unit cube: the first ones, however many there are."""
    from scipy.stats.qmc import Sobol

    points: np.ndarray = Sobol(keys, scramble=True, rng=generator).random_base2(exponent)
    return points


def _random(exponent: int, keys: int, generator: np.random.Generator) -> np.ndarray:
    """2^exponent independent points in the unit cube; they fill row after row, so more begin with fewer."""
    return generator.random((1 << exponent, keys))


SAMPLERS = {Sampler.sobol: _sobol, Sampler.random: _random}
