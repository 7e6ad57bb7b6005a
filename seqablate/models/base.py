"""What a model is: a function of (parameters, input, state, generator), and where its recurrences are.

Shapes: T time, B batch, I input, D hidden, O outputs, L layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Place:
    """Where one single-layer, single-direction recurrence of a model stands.

    Args:
        name: the torch module's name inside the model (as in ``named_modules()``).
        layer: depth, from 0.
        direction: ``"forward"``, or ``"reverse"`` when the module is fed each sample's valid steps back to front.
    """

    name: str
    layer: int
    direction: str


class Model(Protocol):
    """A ``torch.nn.Module`` with this much more."""

    recurrences: tuple[Place, ...]
    label: str  # what signals call it: "rnn", "lstm", "gru"

    def __call__(
        self,
        x: torch.Tensor,
        lengths: torch.Tensor | None = None,
        state: Any = None,
        generator: torch.Generator | None = None,
    ) -> tuple[torch.Tensor, Any]:
        """Map an input to outputs and the state after its last step.

        Args:
            x: [T, B, I] real, or [T, B] token ids.
            lengths: [B] valid steps of each sample, or None when all T are.
            state: what an earlier call returned, or None to start from zeros.
            generator: where dropout masks come from; None switches dropout off (evaluation).

        Returns:
            Output [T, B, O] if the task has a loss at every step, else [B, O] after each sample's last valid step;
            and the state.
        """
