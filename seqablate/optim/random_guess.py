"""Random weight guessing (Hochreiter & Schmidhuber 1996; 1997, section 5): no learning at all.

All weights are drawn from U(-bound, bound) until they solve the task. Weights that meet the goal on the batch of a step
are kept for the next one; others are replaced. So a guess lasts for as many steps as it answers rightly, and it counts
as a solution when an evaluation, and then the test data, say so. What is drawn at a step depends on the seed and the
step alone. The initial weights are the first guess.

A guess whose loss is not finite does not solve the task, and is replaced like any other: it ends no run, and neither
``on_nonfinite`` nor ``skip_above`` applies to it. A carried state begins anew with each guess.

No gradient is taken: ``grad_norm`` is 0 in the record, and a clip or a regularizer is refused. A profile over
timesteps, where one is measured, is the guess's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from seqablate.config.checks import at_least, positive
from seqablate.config.keys import key
from seqablate.config.registry import variant

if TYPE_CHECKING:
    import torch

    from seqablate.optim.guess import RandomGuess


@variant("optim", "random_guess")
@dataclass(kw_only=True, slots=True)
class RandomGuessConfig:
    """No gradient: all weights drawn anew at each step until they solve the task."""

    reference: ClassVar[str] = "Hochreiter & Schmidhuber 1996; 1997, section 5"

    bound: float = key(positive, at_least(0, 1e30), "weights are drawn from U(-bound, bound)")

    def build(self, parameters: Iterable[torch.nn.Parameter]) -> RandomGuess:
        """The optimizer over ``parameters``."""
        from seqablate.optim.guess import RandomGuess

        return RandomGuess(parameters, self.bound)
