"""The ports of a recurrence: who may look at the gradients inside of it, and who may change them.

Shapes: T time, B batch, D hidden.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from torch import Tensor

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


def together(first: Observer | None, second: Observer | None) -> Observer | None:
    """One observer for two of the same call. What later calls sent back is asked of the first."""
    if first is None or second is None:
        return first or second

    def receive(found: Gradients) -> None:
        first.receive(found)
        second.receive(found)

    return Observer(receive, first.cell_states or second.cell_states, first.vectors or second.vectors, first.carried)


class StateClip(Protocol):
    """What becomes of the total gradient of each state at each timestep: a NamedTuple of numbers with these methods.

    A backward pass goes on with what it returns: first dL/dh_t is changed, then dL/dc_t is worked out from it and from
    dL/dc_(t+1), and changed as well. A state that is given to a call is a timestep of no call, or of the one before.
    """

    def tensor(self, d_BD: Tensor) -> Tensor:
        """The gradient of one state at one timestep, changed; each sample by itself."""

    def rows(self, d: Any, D: int) -> bool:
        """The same in place, for the first D columns of ``d``; whether anything was changed.

        numba compiles it into the kernels: loops over numbers, and what ``seqablate.engine.kernels`` has. Without this
        method a clip runs on the plain loop alone.
        """


@dataclass(slots=True, eq=False)
class Clipping:
    """A state clip at work, and whether it has changed anything so far (a bool, or a tensor on the device)."""

    clip: StateClip
    acted: bool | Tensor = False

    def hook(self, d_BD: Tensor) -> Tensor:
        """As a hook on a state."""
        changed_BD = self.clip.tensor(d_BD)
        self.acted = self.acted | ((changed_BD != d_BD) & ~d_BD.isnan()).any()
        return changed_BD


class Ports(NamedTuple):
    """What one call of a recurrence is connected to."""

    observer: Observer | None = None
    clipping: Clipping | None = None
