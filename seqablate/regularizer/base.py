"""What a regularizer is: a penalty that is added to the training loss, and whose gradient is added to the loss's own.

The sum is clipped as one gradient, as in the code of Pascanu, Mikolov & Bengio 2013. The recorded loss, and the
recorded gradients of timesteps, are those of the loss alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar

from seqablate.config.checks import at_least
from seqablate.config.keys import key

if TYPE_CHECKING:
    from torch import Tensor, nn

Found = tuple["Tensor", Sequence[tuple["nn.Parameter", "Tensor"]]]  # a penalty, and its gradient by parameter
Measure = Callable[["Tensor | None"], Found]


class Decay(Enum):
    """How a weight changes over the steps of a run."""

    constant = "constant"
    linear = "linear"


@dataclass(kw_only=True, slots=True)
class WeightedConfig:
    """Abstract: the keys that every penalty has."""

    weight: float = key(at_least(0), "factor on the penalty")
    decay: Decay = key("of the weight over the steps; linear: down to 0 after the last", off="constant")

    def factor(self, step: int, steps: int) -> float:
        """The weight at ``step`` (0-based) of ``steps``."""
        return self.weight * (1 - step / steps if self.decay is Decay.linear else 1)


@dataclass(frozen=True, slots=True)
class Penalty:
    """What was added at one step.

    Attributes:
        value: the penalty, a scalar on the device, without its weight.
        weight: its factor.
        grad_norm: the global L2 norm (float64) of what was added to the gradient, the weight included.
    """

    value: Tensor
    weight: float
    grad_norm: Tensor


class Regularizer:
    """Abstract: a penalty, built once per run.

    Attributes:
        again: whether its gradient takes a backward pass of its own, for which that of the loss must keep the graph.
    """

    again: ClassVar[bool] = False

    def refusal(self, model: nn.Module) -> str | None:
        """Why it has no meaning for a model; None if it has one."""
        return None

    def watching(self, model: Any) -> AbstractContextManager[Measure | None]:
        """Entered around the forward and the backward pass of the loss.

        Yields:
            What gives the penalty and its gradients (without the weight) once both passes are over; its argument says
            which steps of the batch's samples are valid [T, B], None when all are. None where there is no penalty.
        """
        return nullcontext()


def add(found: Found, weight: float) -> Penalty:
    """Add the gradients of a penalty to ``.grad`` of its parameters."""
    import torch

    from seqablate.clip.base import global_norm

    value, pairs = found
    parts = [gradient * weight for _, gradient in pairs]
    with torch.no_grad():
        for (parameter, _), part in zip(pairs, parts, strict=True):
            parameter.grad = part if parameter.grad is None else parameter.grad.add_(part)
    return Penalty(value.detach(), weight, global_norm(parts).to(value.device))
