"""Keys that all recurrent models share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from omegaconf import MISSING

from seqablate.config.schema import at_least, fraction
from seqablate.errors import UsageError

if TYPE_CHECKING:
    from seqablate.models.recurrent import StackShape


@dataclass(kw_only=True, slots=True)
class RecurrentConfig:
    """Abstract: sizes of a recurrent stack, named as in torch.nn; each cell's config adds its own keys."""

    hidden_size: int = MISSING
    num_layers: int = MISSING
    bidirectional: bool = MISSING
    dropout: float = MISSING

    def __post_init__(self) -> None:
        at_least("model.hidden_size", self.hidden_size, 1)
        at_least("model.num_layers", self.num_layers, 1)
        fraction("model.dropout", self.dropout)
        if self.dropout > 0 and self.num_layers == 1:
            raise UsageError(
                f"model.dropout={self.dropout} acts between layers: it needs model.num_layers of 2 or more"
            )

    @property
    def causal(self) -> bool:
        """Whether an output depends on no later input."""
        return not self.bidirectional

    @property
    def fused(self) -> bool:
        """Whether there are kernels for the cell; without them only ``backend=loop`` runs it."""
        return False

    def shape(self, *, input_size: int, output_size: int, tokens: bool, every_step: bool) -> StackShape:
        """This config's sizes and a task's together."""
        from seqablate.models.recurrent import StackShape

        return StackShape(
            input_size=input_size,
            hidden_size=self.hidden_size,
            num_layers=self.num_layers,
            output_size=output_size,
            bidirectional=self.bidirectional,
            dropout=self.dropout,
            tokens=tokens,
            every_step=every_step,
        )
