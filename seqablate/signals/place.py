"""Where in a model something is measured, and every name that such a place has."""

from __future__ import annotations

from dataclasses import dataclass, replace

PARTS = ("encoder", "decoder")  # of a model that has both; elsewhere the model's name says nothing new


@dataclass(frozen=True, kw_only=True)
class Place:
    """One state of one layer and direction, or of all layers of a part together.

    Args:
        part: what the model calls it: ``"rnn"``, ``"encoder"``.
        layer: depth in the part, from 0; None for a curve over its layers.
        direction: ``"forward"``, or ``"reverse"`` where each sample's valid steps are read back to front.
        state: ``"h"``, or ``"c"`` for the cell state of an LSTM.

    Example:
        >>> place = Place(part="encoder", layer=1, direction="reverse", state="h")
        >>> place.label, place.words, place.slug, place.symbol
        ('encoder h layer 1 reverse', 'h (encoder, layer 1, reverse)', 'encoder_h_layer1_reverse', 'encoder h←')
    """

    part: str
    layer: int | None = 0
    direction: str = "forward"
    state: str = "h"

    def over_layers(self) -> Place:
        """All layers of this part, direction and state together."""
        return replace(self, layer=None)

    @property
    def owner(self) -> str:
        """The state with its part: ``h``, ``encoder c``."""
        return f"{self.part} {self.state}" if self.part in PARTS else self.state

    @property
    def label(self) -> str:
        """In titles and legends: ``h layer 0``, ``encoder c layer 1 reverse``; ``h`` of all layers together."""
        layer = "" if self.layer is None else f" layer {self.layer}"
        return self.owner + layer + (" reverse" if self.direction == "reverse" else "")

    @property
    def words(self) -> str:
        """In sentences: ``h``, ``c (layer 1, reverse)``, ``h (encoder)``."""
        marks = [self.part] if self.part in PARTS else []
        marks += [f"layer {self.layer}"] if self.layer else []
        marks += ["reverse"] if self.direction == "reverse" else []
        return self.state + (f" ({', '.join(marks)})" if marks else "")

    @property
    def slug(self) -> str:
        """In tags and names of files: ``h_layer0``, ``encoder_c_layer1_reverse``; ``h_layers`` of all together."""
        name = self.label.replace("layer ", "layer").replace(" ", "_")
        return f"{name}_layers" if self.layer is None else name

    @property
    def symbol(self) -> str:
        """In formulas: ``h``, ``encoder c``, ``h←`` of a reverse direction."""
        return self.owner + ("←" if self.direction == "reverse" else "")

    @property
    def rank(self) -> tuple[int, bool, bool, bool]:
        """Of several places, the one of highest rank stands for the run.

        That is its first layer's memory: forward before reverse, an encoder before its decoder, c before h.
        """
        return -(self.layer or 0), self.direction == "forward", self.part != "decoder", self.state == "c"
