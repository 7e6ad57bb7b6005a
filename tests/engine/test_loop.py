"""What the plain path reports, against a loop of cells with ``retain_grad()`` and against finite differences.

Shapes: T time, B batch, I input, D hidden.
"""

from __future__ import annotations

import gc
import itertools
import weakref

import oracle
import pytest
import torch
from recurrences import errors
from torch import Tensor

from seqablate.engine.backends.torch_call import KernelCall
from seqablate.engine.cell import States, Weights
from seqablate.engine.cells import CELLS
from seqablate.engine.gradients import Gradients
from seqablate.engine.ports import Observer
from seqablate.engine.recurrence import Recurrence

EXACT = 1e-9
T, B, I, D = 6, 3, 2, 4  # noqa: E741
LOSSES = {
    "every step": lambda output, final: output.sin().sum(),
    "last step": lambda output, final: output[-1].square().sum(),
    "some steps": lambda output, final: output[1:4:2].square().sum(),
    "first step": lambda output, final: output[0].square().sum(),
    "h_n": lambda output, final: final[0].square().sum(),
    "last state": lambda output, final: final[-1].exp().sum(),
    "everything": lambda output, final: output.exp().sum() + sum(state.square().sum() for state in final),
}


class Reports(list[Gradients]):
    """What an observer was told; a list that can be referred to weakly."""


def make(name: str) -> tuple[Recurrence, Tensor, States]:
    """A recurrence on the plain path in float64, its input and its initial states; all may want gradients."""
    torch.manual_seed(0)
    module = Recurrence(name, I, D).double()
    module.backend = "loop"
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_()
    states = tuple(torch.randn(B, D, dtype=torch.float64, requires_grad=True) for _ in module.cell.states)
    return module, torch.randn(T, B, I, dtype=torch.float64, requires_grad=True), states


def weights(module: Recurrence) -> Weights:
    """By their names: a cell without a recurrent matrix lacks some of them."""
    found = dict(module.named_parameters())
    none = torch.empty(0, dtype=torch.float64)
    return Weights(found["weight_ih"], found.get("weight_hh", none), found["bias_ih"], found.get("bias_hh"))


def wanted(name: str, loss, *, cut: bool) -> dict[str, Tensor]:
    """The oracle's gradients [T, B, D] by state; ``cut`` between timesteps leaves the direct part."""
    module, x_TBI, states = make(name)
    call = KernelCall(name, x_TBI, tuple(state[None] for state in states), [[weights(module)]])
    trace = oracle.loop(call, cut=0 if cut else None)
    loss(trace.output, tuple(state[0] for state in trace.final)).backward()
    return {state: trace.gradient(0, 0, state) for state in module.cell.states}


def check(name: str, loss, found: Gradients) -> None:
    """Every state, timestep and sample, vectors and norms."""
    for kind in ("total", "direct"):
        vectors, norms = getattr(found, kind), found.norms(kind)
        expected = wanted(name, loss, cut=kind == "direct")
        assert list(vectors) == list(norms) == list(expected)
        for state, expected_TBD in expected.items():
            assert errors(vectors[state], expected_TBD).max() <= EXACT, (kind, state)
            torch.testing.assert_close(norms[state], expected_TBD.square().sum(-1).sqrt(), rtol=EXACT, atol=0)


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("name", CELLS)
def test_the_report_is_the_oracles(name, loss):
    module, x_TBI, states = make(name)
    reports = Reports()
    loss(*module(x_TBI, states, Observer(reports.append))).backward()
    (found,) = reports
    check(name, loss, found)


@pytest.mark.parametrize("name", ["mgu", "gru", "lstm_no_output_gate"])
def test_the_total_of_h_is_a_finite_difference(name):
    """h of one step and sample is moved by a little on its way to the output and to later steps."""
    module, x_TBI, states = make(name)
    step, loss, eps = module.cell.formula(weights(module)), LOSSES["everything"], 1e-6

    @torch.no_grad()
    def moved(at: int, by_BD: Tensor) -> Tensor:
        past, output = states, []
        for t, x_BI in enumerate(x_TBI):
            h_BD, *others = step(x_BI, past)
            past = (h_BD + by_BD if t == at else h_BD, *others)
            output.append(past[0])
        return loss(torch.stack(output), past)

    reports = Reports()
    loss(*module(x_TBI, states, Observer(reports.append))).backward()
    differences = torch.zeros(T, B, D, dtype=torch.float64)
    for t, b, d in itertools.product(range(T), range(B), range(D)):
        by_BD = torch.zeros(B, D, dtype=torch.float64)
        by_BD[b, d] = eps
        differences[t, b, d] = (moved(t, by_BD) - moved(t, -by_BD)) / (2 * eps)
    torch.testing.assert_close(reports[0].total["h"], differences, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("leaf", ["x", "h0", "c0", "weight_ih", "weight_hh", "bias_ih", "bias_hh"])
def test_autograd_grad_of_anything_that_goes_in_is_enough(leaf):
    name, loss = "lstm_coupled_gates", LOSSES["everything"]
    module, x_TBI, states = make(name)
    leaves = {"x": x_TBI, "h0": states[0], "c0": states[1], **dict(module.named_parameters())}
    reports = Reports()
    torch.autograd.grad(loss(*module(x_TBI, states, Observer(reports.append))), inputs=leaves[leaf])
    (found,) = reports
    check(name, loss, found)


@pytest.mark.parametrize("name", CELLS)
def test_observing_changes_neither_results_nor_gradients(name):
    module, x_TBI, states = make(name)
    leaves = [x_TBI, *states, *module.parameters()]
    both = []
    for observer in (None, Observer(Reports().append)):
        output, final = module(x_TBI, states, observer)
        both.append((output, *final, *torch.autograd.grad(LOSSES["everything"](output, final), leaves)))
    torch.testing.assert_close(*both, rtol=1e-12, atol=1e-14)
    assert all(torch.equal(a, b) for a, b in zip(both[0][:2], both[1][:2], strict=True))


def test_each_backward_pass_reports_its_own_gradient():
    module, x_TBI, states = make("lstm_no_input_gate")
    reports = Reports()
    results = module(x_TBI, states, Observer(reports.append))
    for loss in ("h_n", "some steps", "last state"):
        LOSSES[loss](*results).backward(retain_graph=True)
    assert len(reports) == 3
    for loss, found in zip(("h_n", "some steps", "last state"), reports, strict=True):
        check("lstm_no_input_gate", LOSSES[loss], found)


def test_calls_in_a_chain_report_one_by_one():
    """The second call starts from the first one's final states."""
    name, loss = "lstm_no_forget_gate", LOSSES["h_n"]
    module, x_TBI, states = make(name)
    reports = Reports()
    _, between = module(x_TBI[:2], states, Observer(reports.append))
    loss(*module(x_TBI[2:], between, Observer(reports.append))).backward()
    later, earlier = reports
    whole = wanted(name, loss, cut=False)
    for state in ("h", "c"):
        assert errors(torch.cat([earlier.total[state], later.total[state]]), whole[state]).max() <= EXACT
        outside = earlier.total[state][-1:]  # nothing else follows within the first call
        assert errors(earlier.direct[state][-1:], outside).max() <= EXACT
        assert not earlier.direct[state][:-1].any()


def test_nothing_is_reported_without_gradients():
    module, x_TBI, states = make("mgu")
    reports = Reports()
    with torch.no_grad():
        module(x_TBI, states, Observer(reports.append))
    module(x_TBI, states, Observer(reports.append))
    assert reports == []


def test_h_alone_is_reported_where_no_more_is_wanted():
    loss = LOSSES["everything"]
    module, x_TBI, states = make("lstm_no_output_activation")
    reports = Reports()
    loss(*module(x_TBI, states, Observer(reports.append, cell_states=False))).backward()
    (found,) = reports
    assert list(found.total) == list(found.direct) == ["h"]
    assert errors(found.total["h"], wanted("lstm_no_output_activation", loss, cut=False)["h"]).max() <= EXACT


def test_frozen_weights_do_not_hide_the_gradient():
    loss = LOSSES["everything"]
    module, x_TBI, states = make("mgu")
    module.requires_grad_(False)
    reports = Reports()
    results = module(x_TBI.detach(), tuple(state.detach() for state in states), Observer(reports.append))
    loss(*results).backward()
    check("mgu", loss, reports[0])


def test_a_callers_hooks_on_the_results_are_seen():
    name = "lstm_coupled_gates"
    module, x_TBI, states = make(name)
    reports = Reports()
    output, (h_n, c_n) = module(x_TBI, states, Observer(reports.append))
    for factor, result in ((2, output), (3, h_n), (5, c_n)):
        result.register_hook(lambda gradient, factor=factor: factor * gradient)
    (output.sum() + h_n.sum() + c_n.sum()).backward()
    check(name, lambda output, final: 2 * output.sum() + 3 * final[0].sum() + 5 * final[1].sum(), reports[0])


def test_an_optimizer_that_steps_inside_the_backward_pass_changes_nothing():
    name, loss = "lstm_no_input_gate", LOSSES["everything"]
    module, x_TBI, states = make(name)

    def update(parameter: Tensor) -> None:
        parameter.data.add_(1.0)

    for parameter in module.parameters():
        parameter.register_post_accumulate_grad_hook(update)
    reports = Reports()
    loss(*module(x_TBI, states, Observer(reports.append))).backward()
    check(name, loss, reports[0])


def test_a_gradient_of_a_gradient_is_as_without_an_observer_and_what_is_reported_hangs_on_no_graph():
    module, x_TBI, states = make("lstm_no_forget_gate")
    reports = Reports()

    def penalty(observer: Observer | None) -> tuple[Tensor, ...]:
        output, _ = module(x_TBI, states, observer)
        gradients = torch.autograd.grad(output.exp().sum(), list(module.parameters()), create_graph=True)
        return torch.autograd.grad(sum(g.square().sum() for g in gradients), list(module.parameters()))

    torch.testing.assert_close(penalty(Observer(reports.append)), penalty(None))
    for found in reports:
        assert not any(v.requires_grad for by_state in (found.total, found.direct) for v in by_state.values())


@pytest.mark.parametrize("backward", [True, False])
def test_an_observed_call_is_forgotten_when_its_results_are(backward):
    """A hook that keeps the graph it hangs on would keep every observed step of a run."""
    module, x_TBI, states = make("lstm_no_forget_gate")
    reports = Reports()
    gone = weakref.ref(reports)
    output, final = module(x_TBI, states, Observer(reports.append))
    if backward:
        output.sum().backward()
    del reports, output, final
    gc.collect()
    assert gone() is None
