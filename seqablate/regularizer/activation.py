"""Activation regularization (Merity, McCann & Socher 2017): the mean square of what the recurrences return.

The mean is over units, samples and valid timesteps, as in the code of the paper, whose formula has a norm without a
square. Every recurrence of the model counts, each with its mean; the paper takes the last layer alone, after dropout.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from seqablate.config.registry import variant
from seqablate.regularizer.base import Found, Measure, Regularizer, WeightedConfig

if TYPE_CHECKING:
    from torch import Tensor, nn


@variant("regularizer", "activation")
@dataclass(kw_only=True, slots=True)
class ActivationConfig(WeightedConfig):
    """Mean square of the hidden states of every recurrence (AR)."""

    reference: ClassVar[str] = "Merity, McCann & Socher 2017, AR"
    restrictions: ClassVar[str] = "models with a recurrence"

    def build(self) -> Activation:
        """The regularizer."""
        return Activation()


class Activation(Regularizer):
    """See :class:`seqablate.regularizer.base.Regularizer`. A clip inside of the recurrence acts on its pass as well."""

    again = True

    def refusal(self, model: nn.Module) -> str | None:
        from seqablate.engine.recurrence import Recurrence

        return (
            None
            if any(isinstance(m, Recurrence) for m in model.modules())
            else "it has no recurrence; use a recurrent model"
        )

    @contextmanager
    def watching(self, model: Any) -> Iterator[Measure]:
        import torch

        from seqablate.engine.recurrence import Recurrence

        outputs: list[Tensor] = []
        cells = [module for module in model.modules() if isinstance(module, Recurrence)]
        hooks = [cell.register_forward_hook(lambda _, inputs, result: outputs.append(result[0])) for cell in cells]
        trained = [p for p in model.parameters() if p.requires_grad]

        def measure(valid_TB: Tensor | None) -> Found:
            value = torch.stack([mean_square(h_TBD, valid_TB) for h_TBD in outputs]).sum()
            found = torch.autograd.grad(value, trained, allow_unused=True)
            return value, [(p, d) for p, d in zip(trained, found, strict=True) if d is not None]

        try:
            yield measure
        finally:
            for hook in hooks:
                hook.remove()


def mean_square(h_TBD: Tensor, valid_TB: Tensor | None) -> Tensor:
    """Over units and valid steps. A call with other steps than the batch (of a decoder) has valid ones only."""
    square_TB = h_TBD.square().mean(-1)
    if valid_TB is None or valid_TB.shape != square_TB.shape:
        return square_TB.mean()
    return square_TB[valid_TB].mean()
