"""What is read off a curve together with where the curve was measured: run.json, tables and sentences speak of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from seqablate.shape import Part, Step, matches
from seqablate.signals.decay import Decay
from seqablate.signals.place import Place
from seqablate.signals.signal import NAME

Quantity = Annotated[str, matches(NAME.pattern, "a lower-case name")]


@dataclass(frozen=True, kw_only=True)
class Source:
    """What was measured where, as the record has it: a signal's quantity, and the fields of its :class:`Place`."""

    quantity: Quantity
    part: Part
    layer: Step | None
    direction: Literal["forward", "reverse"]
    state: Part

    @property
    def place(self) -> Place:
        """Where it was measured."""
        return Place(part=self.part, layer=self.layer, direction=self.direction, state=self.state)


@dataclass(frozen=True, kw_only=True)
class Fit(Decay, Source):
    """The decay of one lag curve."""

    @classmethod
    def of(cls, quantity: str, place: Place, decay: Decay) -> Fit:
        """What was read off a signal of this quantity, measured at this place."""
        return cls(quantity=quantity, **vars(place), **vars(decay))
