"""The profile: the gradient of the training loss with respect to the states of every timestep."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from seqablate.config.registry import variant
from seqablate.diagnostics.base import TrainingDiagnostic
from seqablate.diagnostics.batches import batch_mean
from seqablate.signals.signal import Signal
from seqablate.signals.view import Curve

if TYPE_CHECKING:
    from seqablate.diagnostics.look import ProbedPass

PROFILE = Curve(
    quantity="total",
    tag="profile",
    file="profile",
    title="Gradient of the training loss with respect to {state}(t)",
    history=1,
)
DIRECT = Curve(
    quantity="direct",
    tag="direct_profile",
    title="Direct part of the gradient of the training loss with respect to {state}(t)",
    live=False,
    aside=True,
)


@variant("diagnostic", "profile")
@dataclass(kw_only=True, slots=True)
class Profile(TrainingDiagnostic):
    """Gradient norm of the training loss at every timestep, in the training step itself.

    That is ||dL/dh_t||: ``total`` with all that flows back through later timesteps, and ``direct``, the part that
    arrives through the output of timestep t.
    """

    views = (PROFILE, DIRECT)

    def measure(self, seen: ProbedPass) -> Iterator[Signal]:
        """Curves [T] of each state, layer and direction; layers without timesteps have none."""
        for point in seen.points:
            if not point.timed:
                continue
            for quantity, norms in (("total", seen.total(point)), ("direct", seen.direct(point))):
                for state, norm_TB in norms.items():
                    place, values = replace(point.place, state=state), batch_mean(norm_TB, seen.lengths)
                    yield Signal(step=seen.step, quantity=quantity, place=place, values=values)
