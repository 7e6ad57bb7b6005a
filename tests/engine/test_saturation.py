"""Gradients where a cell is saturated or not finite: against closed forms, and against the plain loop."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from seqablate.engine.cells import CELLS
from seqablate.engine.ports import Observer
from seqablate.engine.recurrence import Recurrence
from seqablate.engine.tanh import Tanh
from seqablate.probe import TimestepProbe

FUSED = [name for name, cell in CELLS.items() if cell.kernels]
C = torch.tensor([0.1, 3.0, 7.0, 8.0, 9.0, 10.0, 20.0, 40.0])
STATES = torch.cat([C, -C])[:, None]  # [B, 1]


def slope_of_tanh(c: Tensor) -> Tensor:
    """``1 - tanh(c)^2`` in float64, without the difference, which is 0 in float64 as well from 20 on."""
    s = (-2 * c.double().abs()).exp()
    return 4 * s / (1 + s) ** 2


def hold_the_cell_state(module: nn.Module, suffix: str = "") -> float:
    """Make i = 0, f = 1 and the returned o, whatever the input."""
    with torch.no_grad():
        for name in ("weight_ih", "weight_hh", "bias_hh"):
            getattr(module, name + suffix).zero_()
        biases = getattr(module, "bias_ih" + suffix).view(4, -1)
        biases.copy_(torch.tensor([-60.0, 60.0, 0.0, 0.3])[:, None].expand_as(biases))
    return torch.tensor(0.3, dtype=torch.float64).sigmoid().item()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("backend", ["loop", "torch", "compiled"])
def test_the_gradient_of_a_saturated_cell_state_has_the_closed_form(backend, dtype):
    """dL/dc_t = o (1 - tanh(c)^2), times the number of steps left, where nothing changes c."""
    module, found = Recurrence("lstm", 1, 1).to(dtype), []
    o, module.backend = hold_the_cell_state(module), backend
    states = tuple(state.to(dtype) for state in (torch.zeros_like(STATES), STATES))
    output, _ = module(torch.zeros(3, len(STATES), 1, dtype=dtype), states, Observer(found.append))
    output.sum().backward()
    wanted_BD = o * slope_of_tanh(STATES)
    for kind, times in (("total", (3, 2, 1)), ("direct", (1, 1, 1))):
        wanted_TB = torch.tensor(times)[:, None] * wanted_BD[:, 0]
        torch.testing.assert_close(found[0].norms(kind)["c"], wanted_TB, rtol=1e-5, atol=0)


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.parametrize("projection", [0, 1])
def test_a_probed_lstm_of_torch_has_it_too(projection):
    module = nn.LSTM(1, 2, proj_size=projection)
    o = hold_the_cell_state(module, "_l0")
    weights = torch.tensor([1.0, 0.5] if projection else [1.0, 1.0])
    if projection:
        with torch.no_grad():
            module.weight_hr_l0.copy_(weights[None])
    states = torch.zeros(1, len(STATES), projection or 2), STATES.expand(-1, 2)[None].contiguous()
    with TimestepProbe(module) as probe:
        module(torch.zeros(1, len(STATES), 1), states)[0].sum().backward()
    wanted_B = o * slope_of_tanh(STATES[:, 0]) * weights.double().norm()
    torch.testing.assert_close(probe[""].total["c"].flatten(), wanted_B, rtol=1e-5, atol=0)


@pytest.mark.parametrize("name", ["lstm_no_input_gate", "lstm_no_forget_gate", "lstm_coupled_gates"])
def test_variants_with_an_output_activation_have_it_too(name):
    module, found = Recurrence(name, 1, 1), []
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
        if name == "lstm_no_input_gate":
            module.bias_ih[0] = 60.0  # f
        if name == "lstm_coupled_gates":
            module.bias_ih[0] = -60.0  # i, and f is 1 - i
    output, _ = module(torch.zeros(1, len(STATES), 1), (torch.zeros_like(STATES), STATES), Observer(found.append))
    output.sum().backward()
    wanted_B = 0.5 * slope_of_tanh(STATES[:, 0])  # all other gates are at one half
    torch.testing.assert_close(found[0].norms("total")["c"][0], wanted_B, rtol=1e-5, atol=0)


@pytest.mark.parametrize("backend", ["loop", "compiled"])
def test_a_saturated_sigmoid_unit_keeps_the_digits_of_its_slope_at_0_and_loses_them_at_1(backend):
    """dh/da = h (1 - h), of a rounded h: exact where h is small, and near 1 as good as 1 itself is."""
    module, found = Recurrence("rnn_sigmoid", 1, 1), []
    module.backend = backend
    with torch.no_grad():
        for p in module.parameters():
            p.fill_(1.0 if p.dim() > 1 else 0.0)
    x_TBI = torch.stack([torch.full_like(STATES, -1000.0), STATES])  # h_1 = 0, so that a_2 is x_2
    output, _ = module(x_TBI, None, Observer(found.append))
    output[-1].sum().backward()
    a = STATES[:, 0].double()
    slope, norms = torch.exp(-a.abs()) / (1 + torch.exp(-a.abs())) ** 2, found[0].norms("total")["h"][0]
    torch.testing.assert_close(norms[a < 0], slope[a < 0], rtol=1e-5, atol=0)
    torch.testing.assert_close(norms[a > 0], slope[a > 0], rtol=0, atol=5e-7)
    assert not norms[a >= 20].any()


def test_the_loops_tanh_can_be_differentiated_twice_and_mapped():
    x = torch.linspace(-3, 3, 13, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(Tanh.apply, x)
    assert torch.autograd.gradgradcheck(Tanh.apply, x)
    slopes = torch.func.vmap(torch.func.grad(Tanh.apply))(x.detach())
    torch.testing.assert_close(slopes, slope_of_tanh(x.detach()))


# --- values that are not finite ---------------------------------------------------------------------------------------


def gradients(module: Recurrence, backend: str, x: Tensor, states: tuple[Tensor, ...], d_out: Tensor) -> list[Tensor]:
    """Output, gradients by everything that goes in, and the norms of every timestep."""
    module.backend, found = backend, []
    x, *states = (leaf.clone().requires_grad_() for leaf in (x, *states))
    output, final = module(x, tuple(states), Observer(found.append))
    leaves = [x, *states, *module.parameters()]
    d_leaves = torch.autograd.grad([output, final[-1]], leaves, [d_out, torch.ones_like(final[-1])])
    norms = [found[0].norms(kind)[name] for kind in ("total", "direct") for name in found[0].norms(kind)]
    return [output, *d_leaves, *norms]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", ["x", "state", "last state", "gradient", "weight", "bias"])
@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float32, 1e-4), (torch.float64, 1e-9)])
@pytest.mark.parametrize("cell", FUSED)
def test_a_value_that_is_not_finite_spreads_as_in_a_plain_loop(cell, dtype, rtol, place, value):
    """The same entries are NaN, infinite and finite, in every gradient; and the finite ones agree."""
    torch.manual_seed(0)
    module = Recurrence(cell, 2, 3).to(dtype)
    x, d_out = torch.randn(6, 4, 2, dtype=dtype), torch.randn(6, 4, 3, dtype=dtype)
    states = tuple(torch.randn(4, 3, dtype=dtype) for _ in module.cell.states)
    weight = module.weight_hh if module.cell.recurrent == "full" else module.weight_ih
    at = {"x": x[2, 1], "state": states[0][1], "last state": states[-1][1], "gradient": d_out[3, 1],
          "weight": weight.data[1], "bias": module.bias_ih.data}  # fmt: skip
    at[place][0] = value
    mine, wanted = (gradients(module, backend, x, states, d_out) for backend in ("compiled", "loop"))
    if place == "gradient":  # dL/dz is d (h - n) in the kernel and d h - d n under autograd: inf there is NaN here
        mine, wanted = ([torch.where(v.isfinite(), v, math.nan) for v in side] for side in (mine, wanted))
    torch.testing.assert_close(mine, wanted, rtol=rtol, atol=rtol / 1000, equal_nan=True)
