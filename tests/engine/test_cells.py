"""The cells that torch does not have: their papers' formulas in numpy, and torch's LSTM at its limits.

Shapes: T time, B batch, I input, D hidden. In the references everything is of one sample: vectors and matrices.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from seqablate.engine.backends import loop
from seqablate.engine.cell import Weights
from seqablate.engine.cells import CELLS
from seqablate.engine.ports import Ports
from seqablate.engine.recurrence import Recurrence

T, B, I, D = 5, 3, 2, 4  # noqa: E741
OURS = [name for name, cell in CELLS.items() if not cell.torch]
tanh = np.tanh


def sigmoid(a: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-a))


def rnn(f):
    """Elman 1990."""
    return lambda x, h, c, W, U, b: (f(W[0] @ x + U[0] @ h + b[0]), c)


def mgu(x, h, c, W, U, b):
    """Zhou et al. 2016, eq. 8-10; rows f, then those of the candidate."""
    f = sigmoid(W[0] @ x + U[0] @ h + b[0])
    candidate = tanh(W[1] @ x + U[1] @ (f * h) + b[1])
    return (1 - f) * h + f * candidate, c


def lstm(formula):
    """Greff et al. 2015: y = h, and R = U; ``formula`` goes from each block's W x + R y + b, in order, and c."""

    def step(x, y, c, W, R, b):
        return formula(c, *(W[k] @ x + R[k] @ y + b[k] for k in range(len(W))))

    return step


def no_input_gate(c, f, z, o):
    c = tanh(z) + c * sigmoid(f)
    return tanh(c) * sigmoid(o), c


def no_forget_gate(c, i, z, o):
    c = tanh(z) * sigmoid(i) + c
    return tanh(c) * sigmoid(o), c


def no_output_gate(c, i, f, z):
    c = tanh(z) * sigmoid(i) + c * sigmoid(f)
    return tanh(c), c


def coupled_gates(c, i, z, o):
    c = tanh(z) * sigmoid(i) + c * (1 - sigmoid(i))
    return tanh(c) * sigmoid(o), c


def no_input_activation(c, i, f, z, o):
    c = z * sigmoid(i) + c * sigmoid(f)
    return tanh(c) * sigmoid(o), c


def no_output_activation(c, i, f, z, o):
    c = tanh(z) * sigmoid(i) + c * sigmoid(f)
    return c * sigmoid(o), c


REFERENCES = {
    "rnn_sigmoid": rnn(sigmoid),
    "rnn_identity": rnn(lambda a: a),
    "mgu": mgu,
    "lstm_no_input_gate": lstm(no_input_gate),
    "lstm_no_forget_gate": lstm(no_forget_gate),
    "lstm_no_output_gate": lstm(no_output_gate),
    "lstm_no_input_activation": lstm(no_input_activation),
    "lstm_no_output_activation": lstm(no_output_activation),
    "lstm_coupled_gates": lstm(coupled_gates),
}


def make(name: str) -> tuple[Recurrence, Tensor, tuple[Tensor, ...]]:
    """A recurrence in float64 with weights large enough to bend every nonlinearity, input, and initial states."""
    torch.manual_seed(0)
    module = Recurrence(name, I, D).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_()
    states = tuple(torch.randn(B, D, dtype=torch.float64) for _ in module.cell.states)
    return module, torch.randn(T, B, I, dtype=torch.float64), states


def in_numpy(module: Recurrence, x_TBI: Tensor, states: tuple[Tensor, ...]) -> tuple[np.ndarray, np.ndarray]:
    """h [T, B, D] and the last c [B, D] (zeros for a cell without) by the reference, sample by sample."""
    step = REFERENCES[module.cell.name]
    W = module.weight_ih.detach().numpy().reshape(-1, D, I)
    U = module.weight_hh.detach().numpy().reshape(-1, D, D)
    b = (module.bias_ih + module.bias_hh).detach().numpy().reshape(-1, D)
    h_TBD, c_BD = np.zeros((T, B, D)), np.zeros((B, D))
    for sample in range(B):
        h, c = (states[k][sample].numpy() if k < len(states) else np.zeros(D) for k in (0, 1))
        for t in range(T):
            h, c = step(x_TBI[t, sample].numpy(), h, c, W, U, b)
            h_TBD[t, sample] = h
        c_BD[sample] = c
    return h_TBD, c_BD


def test_every_cell_that_torch_does_not_have_has_a_reference_here():
    assert set(OURS) == set(REFERENCES)


@pytest.mark.parametrize("name", OURS)
def test_a_cell_does_what_its_paper_says(name):
    module, x_TBI, states = make(name)
    output_TBD, final = module(x_TBI, states)
    h_TBD, c_BD = in_numpy(module, x_TBI, states)
    np.testing.assert_allclose(output_TBD.detach(), h_TBD, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(final[0].detach(), h_TBD[-1], rtol=1e-12, atol=1e-14)
    if len(final) > 1:
        np.testing.assert_allclose(final[1].detach(), c_BD, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", OURS)
def test_gradcheck(name):
    module, x_TBI, states = make(name)
    inputs = [t.detach().requires_grad_() for t in (x_TBI[:3, :2], *(s[:2] for s in states), *module.parameters())]

    def call(x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        count = len(states)
        output, final = loop.run(module.cell, x, rest[:count], Weights(*rest[count:]), Ports())
        return output, *final

    assert torch.autograd.gradcheck(call, inputs)


@pytest.mark.parametrize("name", CELLS)
def test_no_biases_are_biases_of_zero(name):
    module, x_TBI, states = make(name)
    zeros = torch.zeros_like(module.bias_ih)
    with_zeros = Weights(module.weight_ih, module.weight_hh, zeros, zeros)
    without = Weights(module.weight_ih, module.weight_hh)
    for mine, wanted in zip(*(module.cell.formula(w)(x_TBI[0], states) for w in (without, with_zeros)), strict=True):
        assert torch.equal(mine, wanted)


# --- the full LSTM's limits -------------------------------------------------------------------------------------------


def full_lstm(module: Recurrence, blocks: dict[str, tuple[Tensor, ...]]) -> nn.LSTM:
    """torch's LSTM with the blocks of a variant's parameters, and ``blocks`` for the gate that the variant lacks."""
    parts = dict(
        zip(module.cell.gates, zip(*(p.detach().split(D) for p in module.parameters()), strict=True), strict=True)
    )
    full = nn.LSTM(I, D).double()
    with torch.no_grad():
        for parameter, *rows in zip(full.parameters(), *((parts | blocks)[gate] for gate in "ifgo"), strict=True):
            parameter.copy_(torch.cat(rows))
    return full


def assert_same(module: Recurrence, full: nn.LSTM, x_TBI: Tensor, states: tuple[Tensor, ...], rtol: float) -> None:
    """Outputs, final states, and what a loss on all of them sends back to the input."""
    found = []
    for run in (lambda x: module(x, states), lambda x: full(x, tuple(s[None] for s in states))):
        x = x_TBI.clone().requires_grad_()
        output, (h_n, c_n) = run(x)
        (output.sin().sum() + h_n.square().sum() + c_n.square().sum()).backward()
        found.append((output, h_n.view(B, D), c_n.view(B, D), x.grad))
    torch.testing.assert_close(*found, rtol=rtol, atol=0)


@pytest.mark.parametrize(
    ("name", "gate"),
    [("lstm_no_input_gate", "i"), ("lstm_no_forget_gate", "f"), ("lstm_no_output_gate", "o")],
)
def test_without_a_gate_it_is_the_lstm_whose_gate_is_held_open_by_its_bias(name, gate):
    module, x_TBI, states = make(name)
    held_open = (torch.randn(D, I), torch.randn(D, D), torch.full((D,), 1000.0), torch.zeros(D))
    assert_same(module, full_lstm(module, {gate: held_open}), x_TBI, states, rtol=1e-10)


def test_with_coupled_gates_it_is_the_lstm_whose_forget_gate_has_minus_the_input_gates_weights():
    module, x_TBI, states = make("lstm_coupled_gates")
    opposite = tuple(-p.detach().split(D)[0] for p in module.parameters())
    assert_same(module, full_lstm(module, {"f": opposite}), x_TBI, states, rtol=1e-10)


@pytest.mark.parametrize("name", ["lstm_no_input_activation", "lstm_no_output_activation"])
def test_an_activation_is_not_missed_where_it_is_linear(name):
    """tanh(a) = a (1 - a^2 / 3): at a = 1e-5 the two differ by some 1e-10."""
    module, x_TBI, states = make(name)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.split(D)[module.cell.gates.index("g")].mul_(1e-5)
    h_BD, c_BD = states
    assert_same(module, full_lstm(module, {}), x_TBI, (h_BD, 1e-5 * c_BD), rtol=1e-8)
