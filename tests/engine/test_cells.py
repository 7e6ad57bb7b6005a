"""The cells that torch does not have: their papers' formulas in numpy, and torch's LSTM at its limits.

Shapes: T time, B batch, I input, D hidden. In the references everything is of one sample: vectors and matrices.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from seqablate.engine.cell import Weights
from seqablate.engine.cells import CELLS
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


def mingru(x, h, c, W, U, b):
    """Feng et al. 2024, section 3.1."""
    z, candidate = sigmoid(W[0] @ x + b[0]), W[1] @ x + b[1]
    return (1 - z) * h + z * candidate, c


def minlstm(x, h, c, W, U, b):
    """Feng et al. 2024, section 3.2."""
    f, i, candidate = sigmoid(W[0] @ x + b[0]), sigmoid(W[1] @ x + b[1]), W[2] @ x + b[2]
    return f / (f + i) * h + i / (f + i) * candidate, c


def lru(eigenvalues):
    """Orvieto et al. 2023, eq. 7, with real eigenvalues; U is nu."""

    def step(x, h, c, W, U, b):
        A = np.diag(eigenvalues(U[0]))
        return A @ h + np.sqrt(np.eye(D) - A @ A) @ (W[0] @ x + b[0]), c

    return step


def lrnn(eigenvalues):
    """Grazzi et al. 2024, eq. 1, with a diagonal A(x)."""
    return lambda x, h, c, W, U, b: (np.diag(eigenvalues(W[0] @ x + b[0])) @ h + W[1] @ x + b[1], c)


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
    "mingru": mingru,
    "minlstm": minlstm,
    "lru_positive": lru(lambda nu: np.exp(-np.exp(nu))),
    "lru_signed": lru(lambda nu: 2 * np.exp(-np.exp(nu)) - 1),
    "lrnn_positive": lrnn(sigmoid),
    "lrnn_signed": lrnn(lambda a: 2 * sigmoid(a) - 1),
    "lstm_no_input_gate": lstm(no_input_gate),
    "lstm_no_forget_gate": lstm(no_forget_gate),
    "lstm_no_output_gate": lstm(no_output_gate),
    "lstm_no_input_activation": lstm(no_input_activation),
    "lstm_no_output_activation": lstm(no_output_activation),
    "lstm_coupled_gates": lstm(coupled_gates),
}


SHAPES = {  # of what h enters through
    "full": lambda p: p["weight_hh"].reshape(-1, D, D),
    "diagonal": lambda p: p["weight_hh"].reshape(-1, D),
    "none": lambda p: None,
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
    p = {name: parameter.detach().numpy() for name, parameter in module.named_parameters()}
    W, U = p["weight_ih"].reshape(-1, D, I), SHAPES[module.cell.recurrent](p)
    b = (p["bias_ih"] + p.get("bias_hh", 0.0)).reshape(-1, D)
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
    module.backend, names = "loop", dict(module.named_parameters())
    inputs = [t.detach().requires_grad_() for t in (x_TBI[:3, :2], *(s[:2] for s in states), *names.values())]

    def call(x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        parameters = dict(zip(names, rest[len(states) :], strict=True))
        output, final = torch.func.functional_call(module, parameters, (x, rest[: len(states)]))
        return output, *final

    assert torch.autograd.gradcheck(call, inputs)


@pytest.mark.parametrize("name", CELLS)
def test_no_biases_are_biases_of_zero(name):
    module, x_TBI, states = make(name)
    zeros = torch.zeros_like(module.bias_ih)
    w_hh = torch.empty(0) if module.cell.recurrent == "none" else module.weight_hh
    with_zeros = Weights(module.weight_ih, w_hh, zeros, zeros if module.cell.recurrent == "full" else None)
    without = Weights(module.weight_ih, w_hh)
    for mine, wanted in zip(*(module.cell.formula(w)(x_TBI[0], states) for w in (without, with_zeros)), strict=True):
        assert torch.equal(mine, wanted)


# --- recurrences without a matrix -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lru_positive", "lru_signed", "lrnn_positive", "lrnn_signed"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_eigenvalues_at_both_ends_of_their_range_have_finite_gradients(name, dtype):
    module = Recurrence(name, 1, 6).to(dtype)
    ends = torch.tensor([-80.0, -17.0, -1.0, 1.0, 4.0, 17.0] if name.startswith("lru") else [-90.0, -20, -5, 5, 20, 90])
    with torch.no_grad():
        module.weight_ih.fill_(1.0)
        (module.weight_hh if name.startswith("lru") else module.bias_ih[:6]).copy_(ends)
    output_TBD, _ = module(torch.ones(30, 1, 1, dtype=dtype))
    output_TBD.square().sum().backward()
    assert output_TBD.isfinite().all()
    assert all(p.grad.isfinite().all() for p in module.parameters())


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("mingru", 2 * D * (I + 1)),
        ("minlstm", 3 * D * (I + 1)),
        ("lru_signed", D * (I + 2)),
        ("lrnn_signed", 2 * D * (I + 1)),
    ],
)
def test_what_has_no_use_is_no_parameter(name, parameters):
    assert sum(p.numel() for p in Recurrence(name, I, D).parameters()) == parameters


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"step": CELLS["mgu"].step}, "a step that is Linear and the kernels SCAN go together"),
        ({"kernels": CELLS["mgu"].kernels}, "a step that is Linear and the kernels SCAN go together"),
        ({"step": CELLS["mgu"].step, "kernels": CELLS["mgu"].kernels}, "kernels but SCAN need a recurrent matrix"),
    ],
)
def test_kernels_that_do_not_fit_a_formula_are_refused(changes, wrong):
    """They look at memory, not at shapes."""
    with pytest.raises(ValueError, match=f"the cell mingru: {wrong}"):
        replace(CELLS["mingru"], **changes)


def test_two_closed_gates_of_a_minlstm_share_what_there_is_to_keep():
    """f / (f + i) of two gates that are 0 in float32."""
    module = Recurrence("minlstm", 1, 3)
    with torch.no_grad():
        for p in module.parameters():
            p.zero_()
        module.bias_ih.copy_(torch.tensor([-200.0, -200.0, -200.0, -201.0, -200.0, -199.0, 0.0, 0.0, 0.0]))
    _, (h_BD,) = module(torch.zeros(1, 1, 1), (torch.ones(1, 3),))
    torch.testing.assert_close(h_BD[0], torch.tensor([1.0, 0.0, -1.0]).sigmoid())


def test_with_negative_eigenvalues_a_diagonal_recurrence_computes_the_parity_of_any_input():
    """a(x) = 1 - 2 x and b(x) = x: h is 1 where the number of ones so far is odd (Grazzi et al. 2024, section 4.1)."""
    module = Recurrence("lrnn_signed", 1, 1)
    with torch.no_grad():
        module.weight_ih.copy_(torch.tensor([[-200.0], [1.0]]))
        module.bias_ih.copy_(torch.tensor([100.0, 0.0]))
    x_TBI = torch.randint(0, 2, (1000, 8, 1), generator=torch.Generator().manual_seed(0)).float()
    assert torch.equal(module(x_TBI)[0], x_TBI.cumsum(0) % 2)


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
