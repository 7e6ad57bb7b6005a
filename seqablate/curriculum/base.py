"""What a curriculum is: which length the training sequences of a step have, in the units of ``task.length``.

All sequences of a batch have the same length, as in Deletang et al. 2023, so that nothing is padded. It is a pure
function of the run's seed, the step, and (where lengths grow with what is solved) the length reached so far, which is
part of a run's checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from seqablate.config.checks import at_least
from seqablate.config.keys import key
from seqablate.streams import stream


class Curriculum:
    """Abstract. A config of this group is its own run-time object, so it has no ``build``.

    Attributes:
        shortest: the smallest length of a training sequence; None: every one has ``task.length``.
        judged: whether the length grows when evaluation data of the current length are solved.
    """

    __slots__ = ()
    shortest: int | None = None
    judged: ClassVar[bool] = False

    def longest(self, step: int, steps: int, length: int, reached: int | None) -> int:
        """The current length: the largest that a training sequence of ``step`` (0-based, of ``steps``) may have.

        Args:
            step, steps: of the run.
            length: ``task.length``, which is never exceeded.
            reached: the current length after the last evaluation; None before the first.
        """
        return length

    def grown(self, current: int, length: int) -> int:
        """The current length after the one before it is solved."""
        return length

    def drawn(self, current: int, seed: int, step: int) -> int:
        """The length of the training sequences of ``step``."""
        return current


@dataclass(kw_only=True, slots=True)
class VariedConfig(Curriculum):
    """Abstract: lengths from ``shortest`` on."""

    shortest: int = key(at_least(1), "the smallest length of a training sequence, as task.length counts")


@dataclass(kw_only=True, slots=True)
class GrowingConfig(VariedConfig):
    """Abstract: training begins with ``shortest`` and ends with ``task.length``."""

    sample_all_lengths: bool = key("true: a batch's length is drawn from shortest to the current length")

    def drawn(self, current: int, seed: int, step: int) -> int:
        return uniform_length(self.shortest, current, seed, step) if self.sample_all_lengths else current


def uniform_length(shortest: int, longest: int, seed: int, step: int) -> int:
    """A length drawn for a step, each from ``shortest`` to ``longest`` with the same probability."""
    return int(stream(seed, "length", step).integers(shortest, longest + 1))
