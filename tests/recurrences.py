"""Shared by the tests of the engine and of the probe: the same call for the fast path, the oracle and torch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from seqablate.engine.call import KernelCall, parse

CELLS = {
    "rnn_tanh": (nn.RNN, {}),
    "rnn_relu": (nn.RNN, {"nonlinearity": "relu"}),
    "lstm": (nn.LSTM, {}),
    "lstm_projected": (nn.LSTM, {"proj_size": 2}),
    "gru": (nn.GRU, {}),
}


def recurrence(cell: str, inputs: int, hidden: int, *args, **options) -> nn.RNNBase:
    """An nn.RNN, nn.LSTM or nn.GRU by the name of its cell."""
    make, extra = CELLS[cell]
    return make(inputs, hidden, *args, **extra, **options)


def initial_states(module: nn.RNNBase, batch: int, like: Tensor) -> tuple[Tensor, ...]:
    """Random h0, and c0 for an LSTM."""
    rows = module.num_layers * (2 if module.bidirectional else 1)
    sizes = [module.proj_size or module.hidden_size] + ([module.hidden_size] if module.mode == "LSTM" else [])
    return tuple(torch.randn(rows, batch, size).to(like) for size in sizes)


def kernel_args(module: nn.RNNBase, x: Tensor | PackedSequence, hx: tuple[Tensor, ...]) -> tuple:
    """What the module passes to its kernel; ``hx`` is in the packed batch's order."""
    states = hx if module.mode == "LSTM" else hx[0]
    weights, options = module._flat_weights, (module.bias, module.num_layers, module.dropout, module.training)
    if isinstance(x, PackedSequence):
        return (x.data, x.batch_sizes, states, weights, *options, module.bidirectional)
    return (x, states, weights, *options, module.bidirectional, module.batch_first)


def kernel_call(module: nn.RNNBase, x: Tensor | PackedSequence, hx: tuple[Tensor, ...]) -> KernelCall:
    """The same, parsed."""
    return parse(module.mode.lower(), kernel_args(module, x, hx))


def errors(found_TBD: Tensor, wanted_TBD: Tensor, valid_TB: Tensor | None = None) -> Tensor:
    """Relative error of every (timestep, sample), norm by norm; where both are zero it is zero."""
    difference, size = (torch.linalg.vector_norm(v.double(), dim=-1) for v in (found_TBD - wanted_TBD, wanted_TBD))
    relative_TB = difference / size.clamp_min(torch.finfo(torch.float64).tiny)
    return relative_TB.flatten() if valid_TB is None else relative_TB[valid_TB]
