"""The algebra on recurrences simple enough to be solved by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import linear

from seqablate.engine.backends import totals
from seqablate.engine.backends.torch import run
from seqablate.engine.backends.torch_call import Padding, parse


def last_step_totals(module: nn.RNNBase, x_TBI: torch.Tensor) -> dict[str, torch.Tensor]:
    """dL/d(state) [T] of a one-unit recurrence whose loss is its last output."""
    zeros = torch.zeros(1, 1, 1)
    hx = (zeros, zeros) if module.mode == "LSTM" else zeros
    found = {}
    call = parse(module.mode.lower(), (x_TBI, hx, module._flat_weights, True, 1, 0.0, True, False, False))
    run(getattr(torch._VF, call.cell), call, found.__setitem__)[0][-1].sum().backward()
    return {state: gradient.flatten() for state, gradient in found[0][0].total.items()}


def test_a_linear_recurrence_gives_the_powers_of_its_weight():
    """With h_t = 0.5 h_{t-1} + x_t, dh_T/dh_t is 0.5^(T-t)."""
    module = nn.RNN(1, 1, nonlinearity="relu")
    with torch.no_grad():
        module.weight_ih_l0.fill_(1.0), module.weight_hh_l0.fill_(0.5)
        module.bias_ih_l0.zero_(), module.bias_hh_l0.zero_()
    found_T = last_step_totals(module, torch.ones(10, 1, 1))["h"]
    torch.testing.assert_close(found_T, 0.5 ** torch.arange(9.0, -1, -1))


def test_a_closed_output_path_and_an_open_forget_gate_carry_the_cell_gradient_unchanged():
    """Constant gates without recurrent weights: dL/dc_t = o (1 - tanh(c_T)^2) f^(T-t)."""
    module = nn.LSTM(1, 1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
        module.bias_ih_l0.copy_(torch.tensor([0.0, 2.0, 1.0, 1.0]))  # i, f, g, o
    f, o, ig = torch.tensor([2.0, 1.0, 0.0]).sigmoid() * torch.tensor([1.0, 1.0, torch.tensor(1.0).tanh()])
    c_T = ig * (1 - f**8) / (1 - f)
    wanted_T = o * (1 - c_T.tanh() ** 2) * f ** torch.arange(7.0, -1, -1)
    torch.testing.assert_close(last_step_totals(module, torch.zeros(8, 1, 1))["c"], wanted_T)


def test_a_gru_that_keeps_its_state_passes_the_gradient_on_by_its_update_gate():
    module = nn.GRU(1, 1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
        module.bias_ih_l0[1] = 3.0
    z = torch.tensor(3.0).sigmoid()
    torch.testing.assert_close(last_step_totals(module, torch.zeros(6, 1, 1))["h"], z ** torch.arange(5.0, -1, -1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(5, 3, 7), (1, 3, 7), (5, 1, 7), (1, 1, 1), (4, 0, 3)])
def test_the_product_is_the_linear_map(shape, dtype):
    x_TBK, w_DK, b_D = torch.randn(shape).to(dtype), torch.randn(4, shape[-1]).to(dtype), torch.randn(4).to(dtype)
    torch.testing.assert_close(totals._product(x_TBK, w_DK, b_D), linear(x_TBK, w_DK, b_D))
    torch.testing.assert_close(totals._product(x_TBK, w_DK, None), linear(x_TBK, w_DK))


def test_packed_steps_return_to_their_places():
    x_TBI = torch.arange(12.0).view(3, 2, 2) + 1
    packed = nn.utils.rnn.pack_padded_sequence(x_TBI, [3, 1])
    padding = Padding.of(packed.batch_sizes, torch.device("cpu"))
    assert padding.lengths_B.tolist() == [3, 1]
    assert torch.equal(padding.pad(packed.data), nn.utils.rnn.pad_packed_sequence(packed)[0])


def test_a_reverse_order_begins_at_each_samples_end():
    order = totals.Order.of(4, reverse=True, lengths_B=torch.tensor([4, 2]))
    h_TBD, h0_BD, delayed_TBD = torch.arange(8.0).view(4, 2, 1), torch.full((2, 1), -1.0), torch.empty(4, 2, 1)
    order.delay(h_TBD, h0_BD, out=delayed_TBD)
    assert delayed_TBD[:, 0, 0].tolist() == [2, 4, 6, -1]
    assert delayed_TBD[:2, 1, 0].tolist() == [3, -1]
