"""Randomness that belongs to a run: one independent stream for each (seed, name, indices), and no global generator.

A stream is a pure function of its key. So changing one factor never shifts another (the data of seed 3 are the same
whatever the model draws), runs can be paired by seed, and a resumed run needs no generator state: step 500 draws what
step 500 always draws.
"""

from __future__ import annotations

import zlib

import numpy as np


def stream(seed: int, name: str, *indices: int) -> np.random.Generator:
    """A fresh generator for ``name`` (such as ``"data"``) of the run ``seed``, e.g. one per training step.

    Args:
        seed: the run's seed, >= 0.
        name: what is drawn: ``"init..."``, ``"data"``, ``"labels"``, ``"evaluation"``, ``"test"``, ``"dropout"``,
            ``"sample"``, ``"guess"``, ``"length"`` (that of a step's training sequences), and what is fixed for all
            runs (with a seed of 0): ``"digits/split"``, ``"digits/order"``, ``"agreement/ngrams"``. ``"search"``: the
            values that a sweep draws (with a seed of its own).
        indices: non-negative integers that tell draws of one name apart, such as the step.

    Example:
        >>> stream(0, "data", 7).random() == stream(0, "data", 7).random() != stream(0, "init", 7).random()
        True
    """
    return np.random.default_rng(_key(seed, name, indices))


def stream_seed(seed: int, name: str, *indices: int) -> int:
    """A 63-bit seed for the same key, for generators that are not numpy's (``torch.Generator``)."""
    return int(_key(seed, name, indices).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _key(seed: int, name: str, indices: tuple[int, ...]) -> np.random.SeedSequence:
    numbers = [seed, zlib.crc32(name.encode()), *indices]
    # numpy would convert each number of a list by itself; one array of uint32 is the same entropy in less time.
    short = all(type(number) is int and 0 <= number < 2**32 for number in numbers)
    return np.random.SeedSequence(np.array(numbers, np.uint32) if short else numbers)
