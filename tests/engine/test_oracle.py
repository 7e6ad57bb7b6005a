"""The oracle's own forward and backward pass, held against torch's modules."""

from __future__ import annotations

import pytest
import torch
from oracle import loop
from recurrences import CELLS, initial_states, kernel_call, recurrence
from torch.nn.utils.rnn import pack_padded_sequence


@pytest.mark.parametrize("packed", [False, True], ids=["padded", "packed"])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one-way", "two-way"])
@pytest.mark.parametrize("cell", CELLS)
def test_the_loop_of_cells_makes_what_torch_makes(cell, bidirectional, packed):
    torch.manual_seed(0)
    module = recurrence(cell, 3, 4, num_layers=2, bidirectional=bidirectional).double()
    x_TBI = torch.randn(6, 3, 3, dtype=torch.float64)
    x = pack_padded_sequence(x_TBI, [6, 4, 1]) if packed else x_TBI
    hx = initial_states(module, 3, x_TBI)

    trace = loop(kernel_call(module, x, hx))
    output, final = module(x, hx if module.mode == "LSTM" else hx[0])

    valid_TB = torch.arange(6)[:, None] < torch.tensor([6, 4, 1] if packed else [6, 6, 6])
    torch.testing.assert_close(trace.output[valid_TB], output.data if packed else output[valid_TB])
    assert not trace.output[~valid_TB].any()
    torch.testing.assert_close(trace.final, final if module.mode == "LSTM" else (final,))

    mine = torch.autograd.grad(trace.output.square().sum() + trace.final[-1].sum(), list(module.parameters()))
    last = final[-1] if module.mode == "LSTM" else final
    data = output.data if packed else output
    torch.testing.assert_close(mine, torch.autograd.grad(data.square().sum() + last.sum(), list(module.parameters())))


def test_dropout_between_layers_draws_torchs_mask():
    module = recurrence("lstm", 3, 8, num_layers=3, dropout=0.5)
    x_TBI = torch.randn(5, 2, 3)
    hx = initial_states(module, 2, x_TBI)
    torch.manual_seed(1)
    wanted = module(x_TBI, hx)[0]
    torch.manual_seed(1)
    torch.testing.assert_close(loop(kernel_call(module, x_TBI, hx)).output, wanted)


def test_cutting_a_layer_leaves_what_arrives_within_the_timestep():
    """With a loss on the output and nothing above, that is the loss's own gradient."""
    module = recurrence("gru", 3, 4)
    x_TBI, weight_TBD = torch.randn(5, 2, 3), torch.randn(5, 2, 4)
    trace = loop(kernel_call(module, x_TBI, initial_states(module, 2, x_TBI)), cut=0)
    (trace.output * weight_TBD).sum().backward()
    torch.testing.assert_close(trace.gradient(0, 0, "h"), weight_TBD)
