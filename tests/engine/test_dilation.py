"""Dilated recurrences: a plain loop over real timesteps, torch's modules on each phase, calls in a chain.

Shapes: T time, B batch, I input, D hidden, d dilation.
"""

from __future__ import annotations

import gc
import itertools
import weakref

import pytest
import torch
from recurrences import (
    LOSSES,
    check_carried,
    check_gradients,
    check_observed,
    initial_states,
    random_call,
    random_recurrence,
    recurrence,
)

from seqablate.engine.cells import CELLS
from seqablate.engine.gradients import Gradients
from seqablate.engine.ports import Observer
from seqablate.engine.recurrence import Recurrence

B, I, D = 2, 3, 4  # noqa: E741
NAMES = [
    "rnn_tanh", "rnn_relu", "rnn_sigmoid", "rnn_identity", "mingru", "lru_signed", "lstm", "gru", "mgu",
    "lstm_coupled_gates",
]  # fmt: skip


def backends(cell: str) -> tuple[str, ...]:
    return "loop", *(["torch"] if CELLS[cell].torch else []), *(["compiled"] if CELLS[cell].kernels else [])


class Reports(list[Gradients]):
    """What an observer was told; a list that can be referred to weakly."""


@pytest.mark.parametrize("d", [1, 2, 3, 7])
@pytest.mark.parametrize("cell", NAMES)
def test_every_gradient_is_the_plain_loops(cell, d):
    """At every length, so that the last round has any number of phases; a loss at one step leaves some unreached."""
    module = random_recurrence(cell, I, D, dilation=d)
    for T in range(1, 12):
        check_observed(module, backends(cell), T, B, list(LOSSES)[T % len(LOSSES)])


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("T", [2, 5, 6])
def test_every_gradient_is_the_plain_loops_whatever_the_loss(loss, T):
    check_observed(random_recurrence("lstm", I, D, dilation=3), backends("lstm"), T, B, loss)


@pytest.mark.parametrize("cell", ["rnn_tanh", "rnn_relu", "lstm", "gru"])
def test_each_phase_is_torchs_own_recurrence(cell):
    d, T = 3, 11
    theirs = recurrence(cell, I, D).double()
    module = Recurrence(cell, I, D, dilation=d).double()
    for mine, its in zip(module.parameters(), theirs.parameters(), strict=True):
        mine.data.copy_(its.data)
    x = torch.randn(T, B, I, dtype=torch.float64)
    initial = initial_states(recurrence(cell, I, D, num_layers=d), B, x)
    output, final = module(x, initial)
    for phase in range(d):
        hx = tuple(state[phase, None] for state in initial)
        its_output, its_final = theirs(x[phase::d], hx if len(hx) > 1 else hx[0])
        torch.testing.assert_close(output[phase::d], its_output)
        for mine, its in zip(final, its_final if len(hx) > 1 else (its_final,), strict=True):
            torch.testing.assert_close(mine[(phase - T) % d], its[0])


@pytest.mark.parametrize("lengths", [(1, 10), (4, 3), (3, 6), (7, 2, 1, 5), (1, 1, 1, 1)])
@pytest.mark.parametrize("cell", NAMES)
def test_calls_in_a_chain_are_one_call(cell, lengths):
    for d in (2, 3, 7):
        for backend in backends(cell):
            check_carried(random_recurrence(cell, I, D, dilation=d), backend, lengths, B)


@pytest.mark.parametrize("cell", NAMES)
def test_gradcheck(cell):
    for backend in backends(cell):
        module = random_recurrence(cell, I, D, dilation=3)
        module.backend = backend
        check_gradients(module, 5, B)


@pytest.mark.parametrize("backend", ["loop", "torch", "compiled"])
def test_phases_that_have_no_step_and_alone_get_a_gradient_leave_zeros(backend):
    module = random_recurrence("lstm", I, D, dilation=4)
    module.backend = backend
    x, states = random_call(module, 2, B)
    reports = Reports()
    _, (h, _) = module(x, states, Observer(reports.append))
    h[:2].sum().backward()  # what steps 2 and 3 will read was there before the call
    (found,) = reports
    for kind in ("total", "direct"):
        assert {name: norms.tolist() for name, norms in found.norms(kind).items()} == {
            name: [[0.0] * B] * 2 for name in "hc"
        }


@pytest.mark.parametrize("backend", ["loop", "torch", "compiled"])
def test_each_backward_pass_is_reported_once_and_h_alone_where_no_more_is_wanted(backend):
    module = random_recurrence("lstm", I, D, dilation=2)
    module.backend = backend
    x, states = random_call(module, 5, B)
    reports = Reports()
    output, _ = module(x, states, Observer(reports.append, cell_states=False))
    output[-1].sum().backward(retain_graph=True)
    output.sum().backward()
    assert [list(found.norms("total")) for found in reports] == [["h"], ["h"]]
    reached = [(found.norms("direct")["h"] > 0).all(1).tolist() for found in reports]
    assert reached == [[False] * 4 + [True], [True] * 5]
    assert (reports[0].norms("total")["h"] > 0).all(1).tolist() == [True, False, True, False, True]


@pytest.mark.parametrize("leaf", ["x", "h0", "c0", "weight_ih", "weight_hh", "bias_ih", "bias_hh"])
@pytest.mark.parametrize("backend", ["loop", "torch", "compiled"])
def test_autograd_grad_of_anything_that_goes_in_is_enough(backend, leaf):
    module = random_recurrence("lstm", I, D, dilation=3)
    module.backend = backend
    x, states = random_call(module, 8, B)
    leaves = {"x": x, "h0": states[0], "c0": states[1], **dict(module.named_parameters())}
    told = []
    for inputs in (leaves[leaf], list(leaves.values())):
        reports = Reports()
        torch.autograd.grad(LOSSES["everything"](*module(x, states, Observer(reports.append))), inputs)
        (found,) = reports
        told.append([found.norms(kind)[state] for kind in ("total", "direct") for state in "hc"])
    torch.testing.assert_close(*told, rtol=1e-12, atol=0)


@pytest.mark.parametrize("backend", ["loop", "torch", "compiled"])
def test_a_frozen_recurrence_is_observed_all_the_same(backend):
    module = Recurrence("lstm", I, D, dilation=2).requires_grad_(False)
    module.backend = backend
    reports = Reports()
    output, _ = module(torch.randn(5, B, I), None, Observer(reports.append))
    output.sum().backward()
    assert reports[0].norms("total")["c"].min() > 0
    assert not module(torch.randn(5, B, I))[0].requires_grad


def test_an_observed_call_is_forgotten_when_its_results_are():
    module, gone = random_recurrence("lstm", I, D, dilation=2), []
    for backend, backward in itertools.product(backends("lstm"), (True, False)):
        module.backend = backend
        reports = Reports()
        gone.append(weakref.ref(reports))
        output, final = module(*random_call(module, 5, B), Observer(reports.append))
        if backward:
            output.sum().backward()
        del reports, output, final
    gc.collect()
    assert [reports() for reports in gone] == [None] * 6


@pytest.mark.parametrize("backend", ["loop", "torch", "compiled"])
def test_without_a_state_it_starts_from_zeros_and_without_gradients_it_is_the_same(backend):
    module = Recurrence("lstm", I, D, dilation=3)
    module.backend = backend
    x, zeros = torch.randn(7, B, I), torch.zeros(3, B, D)
    torch.testing.assert_close(module(x), module(x, (zeros, zeros)), rtol=0, atol=0)
    with torch.no_grad():
        torch.testing.assert_close(module(x), module(x, (zeros, zeros)), rtol=0, atol=0)


@pytest.mark.parametrize("backend", ["loop", "torch", "compiled"])
@pytest.mark.parametrize("T", [2, 6, 7])
def test_the_final_states_are_copies(backend, T):
    module = Recurrence("lstm", I, D, dilation=3)
    module.backend = backend
    initial = tuple(torch.randn(3, B, D) for _ in "hc")
    output, final = module(torch.randn(T, B, I), initial)
    before = [output.detach().clone(), *(state.clone() for state in initial)]
    with torch.no_grad():
        for state in final:
            state.mul_(2)
    assert all(map(torch.equal, (output, *initial), before))


def test_what_does_not_fit_is_refused():
    for dilation in (0, -1):
        with pytest.raises(ValueError, match=f"dilation={dilation}: must be 1 or more"):
            Recurrence("lstm", I, D, dilation=dilation)
    module, plain = Recurrence("gru", I, D, dilation=3), torch.zeros(B, D)
    assert repr(module) == "Recurrence(gru, 3, 4, dilation=3)"
    with pytest.raises(ValueError, match=r"state h must have the shape \[3, 2, 4\], not \[2, 4\]"):
        module(torch.randn(5, B, I), (plain,))
