"""Every penalty and its gradient equal autograd of the formula, in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from seqablate.engine.recurrence import Recurrence
from seqablate.probe import TimestepProbe
from seqablate.regularizer.activation import Activation
from seqablate.regularizer.base import Decay, Penalty, WeightedConfig, add
from seqablate.regularizer.l2 import L2
from seqablate.regularizer.omega import Omega

T, B, I, D = 7, 3, 2, 5  # noqa: E741
NONLINEARITIES = {
    "rnn_tanh": torch.tanh,
    "rnn_relu": torch.relu,
    "rnn_sigmoid": torch.sigmoid,
    "rnn_identity": lambda x: x,
}


@pytest.fixture(params=NONLINEARITIES)
def cell(request) -> Recurrence:
    torch.manual_seed(1)
    made = Recurrence(request.param, I, D).double()
    with torch.no_grad():
        made.weight_hh.mul_(3)
    return made


def inputs() -> Tensor:
    return torch.randn(T, B, I, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def loss_of(h_TBD: Tensor) -> Tensor:
    """Of the second sample only the first 4 steps count: no gradient reaches the others."""
    return (h_TBD[-1, 0].square().sum() + h_TBD[3, 1].sin().sum() + h_TBD[:, 2].pow(3).sum()) / B


def by_hand(cell: Recurrence, x_TBI: Tensor) -> tuple[Tensor, Tensor]:
    """Omega by eq. 9 from whole Jacobians, and its derivative with respect to W_rec by autograd."""
    f, w = NONLINEARITIES[cell.cell.name], cell.weight_hh.detach().requires_grad_()
    drive_TBD = (x_TBI @ cell.weight_ih.T + cell.bias_ih + cell.bias_hh).detach()
    states, x_BD = [], torch.zeros(B, D, dtype=torch.float64)
    for t in range(T):
        x_BD = drive_TBD[t] + (f(x_BD) @ w.T if t else 0)
        x_BD.requires_grad_()
        states.append(x_BD)
    d = torch.autograd.grad(loss_of(torch.stack([f(x) for x in states])), states, allow_unused=True)
    total = torch.zeros((), dtype=torch.float64)
    for b in range(B):
        for k in range(T - 1):
            x, later = states[k][b].detach(), d[k + 1][b].detach()
            jacobian = torch.autograd.functional.jacobian(lambda x: w @ f(x), x, create_graph=True)
            if later.norm() > 0:
                total = total + ((later @ jacobian).norm() / later.norm() - 1) ** 2 / B
    return total.detach(), torch.autograd.grad(total, w)[0]


@pytest.mark.parametrize("probed", [False, True])
@pytest.mark.parametrize("backend", ["loop", "compiled", "torch"])
def test_omega_and_its_gradient_are_those_of_equations_9_and_10(cell, backend, probed):
    if backend == "torch" and cell.cell.torch is None:
        pytest.skip("torch has no kernel of this cell")
    cell.backend, x_TBI = backend, inputs()
    with TimestepProbe(cell) if probed else torch.enable_grad(), Omega().watching(cell) as measure:
        loss_of(cell(x_TBI)[0]).backward()
    value, ((parameter, gradient),) = measure(None)
    expected, expected_gradient = by_hand(cell, x_TBI)
    assert parameter is cell.weight_hh
    assert value.item() > 0.1
    torch.testing.assert_close(value.detach(), expected, rtol=1e-9, atol=0)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-9, atol=1e-12)


def test_a_probe_sees_the_same_gradients_beside_omega(cell):
    with TimestepProbe(cell) as alone:
        loss_of(cell(inputs())[0]).backward()
    with TimestepProbe(cell) as probe, Omega().watching(cell):
        loss_of(cell(inputs())[0]).backward()
    assert torch.equal(alone[""].total["h"], probe[""].total["h"])
    assert torch.equal(alone[""].direct["h"], probe[""].direct["h"])


def test_omega_does_not_depend_on_the_size_of_the_gradient_and_is_zero_for_an_orthogonal_linear_recurrence():
    """relu with positive states is linear."""
    cell = Recurrence("rnn_relu", I, D).double()
    with torch.no_grad():
        cell.weight_hh.copy_(torch.eye(D)[[1, 2, 3, 4, 0]])
        cell.weight_ih.abs_()
    for scale in (1e-200, 1.0, 1e150):
        with Omega().watching(cell) as measure:
            (scale * cell(inputs().abs() + 5)[0][-1].sum()).backward()
        assert measure(None)[0].item() == pytest.approx(0, abs=1e-20)
        assert cell.watcher is None


def test_the_penalty_of_states_is_the_mean_of_their_squares_at_valid_steps(cell):
    valid_TB = torch.arange(T)[:, None] < torch.tensor([7, 2, 4])
    for valid in (None, valid_TB):
        with Activation().watching(cell) as measure:
            h_TBD = cell(inputs())[0]
            h_TBD.sum().backward(retain_graph=True)
        value, pairs = measure(valid)
        h_TBD = cell(inputs())[0]
        chosen = [h_TBD[t, b] ** 2 for t in range(T) for b in range(B) if valid is None or valid[t, b]]
        expected = sum(chosen).sum() / (len(chosen) * D)
        torch.testing.assert_close(value, expected, rtol=1e-12, atol=0)
        parameters = list(cell.parameters())
        for (parameter, gradient), p, wanted in zip(
            pairs, parameters, torch.autograd.grad(expected, parameters), strict=True
        ):
            assert parameter is p
            torch.testing.assert_close(gradient, wanted, rtol=1e-9, atol=1e-12)


def test_l2_is_the_sum_of_squared_weights_without_biases():
    model = nn.Linear(2, 2).double()
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0, -2.0], [3.0, 0.5]]))
    with L2().watching(model) as measure:
        pass
    value, ((parameter, gradient),) = measure(None)
    assert value.item() == 1 + 4 + 9 + 0.25
    assert parameter is model.weight
    assert gradient.tolist() == [[2.0, -4.0], [6.0, 1.0]]


def test_what_is_added_is_weighted_and_its_norm_is_stated():
    made = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2))
    made[0].grad = torch.tensor([1.0, 1.0])
    found = (torch.tensor(5.0), [(made[0], torch.tensor([3.0, 0.0])), (made[1], torch.tensor([0.0, 4.0]))])
    penalty: Penalty = add(found, 0.5)
    assert made[0].grad.tolist() == [2.5, 1.0]
    assert made[1].grad.tolist() == [0.0, 2.0]
    assert (penalty.value.item(), penalty.weight, penalty.grad_norm.item()) == (5.0, 0.5, 2.5)


def test_a_weight_stays_or_falls_on_a_line_to_zero_after_the_last_step():
    constant, linear = (WeightedConfig(weight=3.0, decay=decay) for decay in Decay)
    assert [constant.factor(step, 4) for step in range(4)] == [3.0] * 4
    assert [linear.factor(step, 4) for step in range(4)] == [3.0, 2.25, 1.5, 0.75]
