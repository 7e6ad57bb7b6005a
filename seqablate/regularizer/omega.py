"""Omega (Pascanu, Mikolov & Bengio 2013, eq. 9 and 10): the gradient is to keep its norm from step to step.

With the paper's eq. 2, x_t = W_rec f(x_(t-1)) + W_in u_t + b, the state x_t is what stands inside the nonlinearity, and
h_t = f(x_t). For one sample and one recurrence, with the loss E,

    Omega = sum_k ( ||d_(k+1) W_rec diag(f'(x_k))|| / ||d_(k+1)|| - 1 )^2        d_k = dE/dx_k = dE/dh_k f'(x_k)

and the penalty is its mean over the samples, summed over the recurrences. In its gradient, which is with respect to
W_rec alone (eq. 10), d_(k+1) and x_k are constant. A step whose d_(k+1) is zero counts nothing: one after a sample's
end, or one that no gradient reaches. k runs over all pairs of neighbouring timesteps of a call. Of an encoder-decoder
each half is penalised by itself: there is no term for the step from the encoder's last state to the decoder's first.

The published code (github.com/pascanur/trainingRNNs, RNN.py) differs:

- its state is h, so that f'(x_(k+1)) stands where eq. 10 has f'(x_k), and the step from the initial state counts;
- it squares the norms, (n^2 - 1)^2 where eq. 9 has (n - 1)^2: near n = 1 four times as much;
- it divides by the number of steps whose ||d||^2 is above 1e-20 (a mean over samples), where eq. 9 has a sum over k,
  and leaves the other steps out. Over T timesteps its weight w corresponds to about 4 w / T here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from seqablate.config.registry import variant
from seqablate.regularizer.base import Found, Measure, Regularizer, WeightedConfig

if TYPE_CHECKING:
    from torch import Tensor, nn

    from seqablate.engine.gradients import Gradients
    from seqablate.engine.recurrence import Recurrence
# f'(x) from h = f(x), by the name of the cell.
SLOPES: dict[str, Callable[[Tensor], Tensor]] = {
    "rnn_tanh": lambda h: 1 - h.square(),
    "rnn_relu": lambda h: (h > 0).to(h.dtype),
    "rnn_sigmoid": lambda h: h * (1 - h),
    "rnn_identity": lambda h: h.new_ones(()).expand_as(h),
}


@variant("regularizer", "omega")
@dataclass(kw_only=True, slots=True)
class OmegaConfig(WeightedConfig):
    """Omega: the norm of the gradient is to be the same at every timestep of a vanilla recurrence."""

    reference: ClassVar[str] = "Pascanu, Mikolov & Bengio 2013, eq. 9 and 10"
    restrictions: ClassVar[str] = (
        "vanilla recurrences (model=rnn, or seq2seq with cell=rnn) without time_skip, dilation and norm=cell"
    )

    def build(self) -> Omega:
        """The regularizer."""
        return Omega()


@dataclass(slots=True, eq=False)
class Calls:
    """What was seen of one recurrence in both passes: h [T, B, D] and dE/dh, by call (the backward pass reversed)."""

    h: list[Tensor] = field(default_factory=list)
    d_h: list[Tensor] = field(default_factory=list)

    def receive(self, found: Gradients) -> None:
        self.d_h.insert(0, found.total["h"])


class Omega(Regularizer):
    """See :class:`seqablate.regularizer.base.Regularizer`."""

    def refusal(self, model: nn.Module) -> str | None:
        from seqablate.engine.recurrence import Recurrence

        cells = [module for module in model.modules() if isinstance(module, Recurrence)]
        if not cells or any(cell.cell.name not in SLOPES for cell in cells):
            return "its formula is that of a vanilla recurrence; use model=rnn, or model=seq2seq with model.cell=rnn"
        if any(cell.time_skip or cell.dilation > 1 or cell.layer_norm for cell in cells):
            return "its formula knows no time_skip, no dilation and no norm=cell; leave them out"
        return None

    @contextmanager
    def watching(self, model: Any) -> Iterator[Measure]:
        import torch

        from seqablate.engine.ports import Observer
        from seqablate.engine.recurrence import Recurrence
        from seqablate.engine.setup import watched

        seen = {module: Calls() for module in model.modules() if isinstance(module, Recurrence)}
        hooks = [
            cell.register_forward_hook(lambda _, inputs, result, calls=calls: calls.h.append(result[0].detach()))
            for cell, calls in seen.items()
        ]

        def measure(valid_TB: Tensor | None) -> Found:
            parts = [penalty(cell, calls) for cell, calls in seen.items()]
            weights = [cell.weight_hh for cell in seen]
            total = torch.stack(parts).sum()
            return total, list(zip(weights, torch.autograd.grad(total, weights), strict=True))

        try:
            with watched({cell: Observer(calls.receive, vectors=True) for cell, calls in seen.items()}):
                yield measure
        finally:
            for hook in hooks:
                hook.remove()


def penalty(cell: Recurrence, calls: Calls) -> Tensor:
    """Omega of one recurrence, a mean over the samples; a function of its ``weight_hh`` alone."""
    slope, w = SLOPES[cell.cell.name], cell.weight_hh
    parts = [omega(d_TBD, slope(h_TBD), w) for h_TBD, d_TBD in zip(calls.h, calls.d_h, strict=True)]
    return sum(parts, start=w.sum() * 0)


def omega(d_h_TBD: Tensor, slope_TBD: Tensor, w_DD: Tensor) -> Tensor:
    """See the formula at the top; every d_(k+1) is divided by its norm first, which may be of any size."""
    import torch

    from seqablate.engine.gradients import vector_norms

    d_TBD = (d_h_TBD * slope_TBD)[1:]
    norm_TB = vector_norms(d_TBD)
    unit_TBD = (d_TBD / norm_TB.where(norm_TB > 0, 1.0)[..., None]).to(w_DD.dtype)
    ratio_TB = torch.linalg.vector_norm((unit_TBD @ w_DD) * slope_TBD[:-1], dim=-1)
    return ((ratio_TB - 1).square() * (norm_TB > 0)).sum(0).mean()
