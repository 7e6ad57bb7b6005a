"""The ports of a recurrence: who may look at the gradients inside of it.

Shapes: T time, B batch, D hidden.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from seqablate.engine.gradients import Carried, Gradients


@dataclass(frozen=True, slots=True)
class Observer:
    """Who is told the gradients of one call of a recurrence, after each backward pass through it.

    Args:
        receive: called with them.
        cell_states: whether more than h is wanted.
        vectors: whether the gradients themselves are wanted, not only their norms.
        carried: asked in each backward pass, before ``receive``: the part of the gradient at each returned state that
            later calls sent back, in the shape of that state; None (or nothing at all) for no part. It flows back
            through time, so it belongs to the total gradient of the last step and not to its direct one.
    """

    receive: Callable[[Gradients], None]
    cell_states: bool = True
    vectors: bool = False
    carried: Callable[[], Carried] = tuple
