"""Clipping inside the recurrence, against a plain loop under autograd whose states have hooks.

Shapes: T time, B batch, I input, D hidden.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from recurrences import LOSSES, Reference, random_call, random_recurrence
from torch import Tensor

from seqablate.clip.state import NormLimit
from seqablate.engine.backends import compiled
from seqablate.engine.gradients import Gradients
from seqablate.engine.ports import Observer
from seqablate.engine.recurrence import Recurrence, choose_backend, refusal
from seqablate.engine.setup import clipped_states, set_backend

B, I, D = 3, 2, 4  # noqa: E741
CPU = torch.device("cpu")
OPTIONS = {"plain": {}, "dilation 3": {"dilation": 3}, "skip 2": {"time_skip": 2}, "norm": {"layer_norm": True}}
NAMES = [
    "rnn_tanh", "rnn_relu", "rnn_sigmoid", "rnn_identity", "mingru", "lru_signed", "lrnn_signed", "lstm", "gru",
    "mgu", "lstm_coupled_gates",
]  # fmt: skip


class Hooked(Reference):
    """The reference loop, each state's total gradient cut to a norm by a hook."""

    def limited(self, max_norm: float) -> Hooked:
        object.__setattr__(self, "max_norm", max_norm)
        object.__setattr__(self, "arrived", [])
        return self

    def _step(self, *arguments: Tensor) -> tuple[Tensor, ...]:
        states = super()._step(*arguments)
        for state in states:
            state.register_hook(self._cut)
        return states

    def _cut(self, d_BD: Tensor) -> Tensor:
        self.arrived.append(d_BD)
        return torch.stack([d * min(1.0, self.max_norm / d.norm().item()) if d.any() else d for d in d_BD])


def wanted(module: Recurrence, T: int, loss: str, max_norm: float) -> tuple[list[Tensor], dict[str, Tensor], bool]:
    """Gradients of everything that goes in, totals by state, and whether any was cut; by the reference."""
    x, states = random_call(module, T, B)
    leaves = [x, *states, *module.parameters()]
    plain = Hooked(module).limited(max_norm)
    output, final, steps = plain.run(x, states)
    LOSSES[loss](output, final).backward(inputs=[*leaves, *(s for of in steps.values() for s in of)])
    gradients = [torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for leaf in leaves]
    for leaf in leaves:
        leaf.grad = None
    totals = {
        name: torch.stack([torch.zeros_like(s) if s.grad is None else s.grad for s in of]) for name, of in steps.items()
    }
    return gradients, totals, any((d.norm(dim=1) > max_norm).any() for d in plain.arrived)


@pytest.mark.parametrize("max_norm", [0.05, 0.5, 1e9])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("cell", NAMES)
def test_every_gradient_is_that_of_a_loop_with_hooks_on_its_states(cell, options, max_norm):
    module, T, loss = random_recurrence(cell, I, D, **options), 7, "everything"
    gradients, totals, cut = wanted(module, T, loss, max_norm)
    x, states = random_call(module, T, B)
    for backend in [name for name in ("loop", "compiled") if refusal(name, module, CPU) is None]:
        module.backend = backend
        for watched in (True, False):
            found: list[Gradients] = []
            observer = Observer(found.append, vectors=True) if watched else None
            with clipped_states(module, NormLimit(max_norm)) as clipping:
                results = module(x, states, observer)
            mine = torch.autograd.grad(LOSSES[loss](*results), [x, *states, *module.parameters()])
            torch.testing.assert_close(list(mine), gradients, rtol=1e-9, atol=1e-12)
            assert bool(clipping.acted) == cut
        for name, total_TBD in totals.items():
            torch.testing.assert_close(found[0].total[name], total_TBD, rtol=1e-9, atol=1e-12) if found else None


@pytest.mark.parametrize("cell", ["rnn_tanh", "lstm", "gru", "mgu"])
def test_what_is_recorded_is_the_total_after_clipping_and_the_direct_part_as_it_arrived(cell):
    module = random_recurrence(cell, I, D)
    x, states = random_call(module, 9, B)
    told = {}
    for max_norm in (1e9, 0.3):
        found: list[Gradients] = []
        with clipped_states(module, NormLimit(max_norm)):
            output, _ = module(x, states, Observer(found.append))
        output.exp().sum().backward()
        told[max_norm] = found[0]
    assert told[1e9].norms("total")["h"].max() > 0.6
    for norms_TB in told[0.3].norms("total").values():
        assert norms_TB.max() <= 0.3 * (1 + 1e-12)
    torch.testing.assert_close(told[0.3].norms("direct")["h"], told[1e9].norms("direct")["h"], rtol=1e-12, atol=0)


@pytest.mark.parametrize("backend", ["loop", "compiled"])
def test_samples_are_clipped_one_by_one_and_what_is_not_cut_keeps_every_bit(backend):
    """The gradient of the first sample is a thousand times that of the others."""
    module = Recurrence("lstm", I, D)
    module.backend = backend
    x = torch.randn(6, B, I, requires_grad=True)
    scale_B1 = torch.tensor([1000.0, 1.0, 1.0])[:, None]
    (free,) = torch.autograd.grad((module(x)[0][-1] * scale_B1).sum(), x)
    with clipped_states(module, NormLimit(10.0)):
        output, _ = module(x)
    (cut,) = torch.autograd.grad((output[-1] * scale_B1).sum(), x)
    assert torch.equal(cut[:, 1:], free[:, 1:])
    assert cut[:, 0].norm() < 0.1 * free[:, 0].norm()


@pytest.mark.parametrize("backend", ["loop", "compiled"])
def test_a_gradient_that_is_not_finite_stays_so(backend):
    module = Recurrence("gru", I, D)
    module.backend = backend
    with clipped_states(module, NormLimit(1.0)):
        output, _ = module(torch.randn(5, B, I))
    (output[-1] * torch.tensor(float("inf"))).sum().backward()
    assert not module.weight_hh.grad.isfinite().all()


def test_only_calls_made_inside_are_clipped_and_only_in_the_backward_pass():
    module = random_recurrence("rnn_tanh", I, D)
    x, states = random_call(module, 5, B)
    plain = module(x, states)
    with clipped_states(module, NormLimit(1e-3)) as clipping:
        inside = module(x, states)
    torch.testing.assert_close(inside, plain, rtol=0, atol=0)
    after = module(x, states)
    loss = LOSSES["output"]
    free, cut, again = (torch.autograd.grad(loss(*found), x)[0] for found in (plain, inside, after))
    assert clipping.acted
    assert cut.norm() < 0.1 * free.norm()
    assert torch.equal(again, free)


def test_shards_in_threads_are_clipped_as_one_batch(monkeypatch):
    monkeypatch.setattr(compiled, "THREADED", 0)
    module = random_recurrence("lstm", I, D)
    x, states = random_call(module, 5, 21)
    found, before = [], torch.get_num_threads()
    for threads in (1, 2):
        torch.set_num_threads(threads)
        try:
            with clipped_states(module, NormLimit(0.2)) as clipping:
                output, _ = module(x, states)
            found.append(torch.autograd.grad(output.sum(), [x, *module.parameters()]))
        finally:
            torch.set_num_threads(before)
        assert clipping.acted
    torch.testing.assert_close(*found, rtol=1e-12, atol=1e-12)


class LoopOnly(NamedTuple):
    """A state clip without a form for the compiled kernels."""

    largest: float

    def tensor(self, d_BD: Tensor) -> Tensor:
        return d_BD.clamp(-self.largest, self.largest)


def test_the_backend_is_one_that_can_clip_and_another_says_why_not():
    lstm, limit = Recurrence("lstm", I, D), NormLimit(1.0)
    assert choose_backend(lstm, CPU, limit) == "compiled"
    assert choose_backend(lstm, torch.device("cuda"), limit) == "loop"
    assert choose_backend(lstm, CPU, LoopOnly(1.0)) == "loop"
    with pytest.raises(ValueError, match="backend=torch cannot clip the gradients inside of torch's kernels"):
        set_backend(lstm, "torch", CPU, limit)
    with pytest.raises(ValueError, match="LoopOnly has no form for compiled kernels: only backend=loop runs it"):
        set_backend(lstm, "compiled", CPU, LoopOnly(1.0))
    lstm.backend = "torch"
    with clipped_states(lstm, limit), pytest.raises(ValueError, match="backend=torch cannot clip"):
        lstm(torch.randn(4, B, I))
