"""A linear recurrence, where everything has a closed form: h_t = W h_(t-1) + V x_t + b, so that dh_t / dh_k = W^(t-k).

Shapes: T time, B batch, I input, D hidden.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from recurrences import random_call, random_recurrence

from seqablate.engine.gradients import Gradients
from seqablate.engine.ports import Observer

T, B, I, D = 40, 3, 2, 5  # noqa: E741
RADII = (0.7, 1.0, 1.3)


def linear(radius: float, backend: str, **options):
    """A linear recurrence whose matrix has this spectral radius, in no other way special, and its matrix in numpy."""
    module = random_recurrence("rnn_identity", I, D, **options)
    with torch.no_grad():
        module.weight_hh.mul_(radius / torch.linalg.eigvals(module.weight_hh).abs().max())
    module.backend = backend
    return module, module.weight_hh.detach().numpy()


@pytest.mark.parametrize("radius", RADII)
@pytest.mark.parametrize("backend", ["loop", "compiled"])
def test_the_gradient_k_steps_back_is_a_power_of_the_matrix_whatever_the_input(backend, radius):
    module, W = linear(radius, backend)
    x, states = random_call(module, T, B)
    found: list[Gradients] = []
    output, _ = module(x, states, Observer(found.append, vectors=True))
    d_BD = torch.randn(B, D, dtype=torch.float64)
    output[-1].backward(d_BD)
    wanted_TBD = np.stack([d_BD.numpy() @ np.linalg.matrix_power(W, T - 1 - t) for t in range(T)])
    norms = found[0].norms("total")["h"].numpy()
    np.testing.assert_allclose(norms, np.linalg.norm(wanted_TBD, axis=2), rtol=1e-10)
    np.testing.assert_allclose(found[0].total["h"].numpy(), wanted_TBD, rtol=1e-10, atol=1e-13 * norms.max())


@pytest.mark.parametrize("backend", ["loop", "compiled"])
def test_a_state_is_the_sum_of_what_is_left_of_each_input(backend):
    module, W = linear(0.9, backend)
    x, (h0,) = random_call(module, T, B)
    output, _ = module(x, (h0,))
    V, b = module.weight_ih.detach().numpy(), (module.bias_ih + module.bias_hh).detach().numpy()
    entered = x.detach().numpy() @ V.T + b  # [T, B, D]
    left = sum(entered[k] @ np.linalg.matrix_power(W, T - 1 - k).T for k in range(T))
    wanted = left + h0.detach().numpy() @ np.linalg.matrix_power(W, T).T
    np.testing.assert_allclose(output[-1].detach().numpy(), wanted, rtol=1e-10)


@pytest.mark.parametrize("backend", ["loop", "compiled"])
def test_with_a_dilation_only_the_steps_of_one_phase_have_a_gradient(backend):
    module, W = linear(0.9, backend, dilation=3)
    x, states = random_call(module, T, B)
    found: list[Gradients] = []
    output, _ = module(x, states, Observer(found.append))
    output[-1].backward(torch.ones(B, D, dtype=torch.float64))
    norms_TB = found[0].norms("total")["h"].numpy()
    for lag in range(T):
        power = np.ones(D) @ np.linalg.matrix_power(W, lag // 3) if lag % 3 == 0 else np.zeros(D)
        np.testing.assert_allclose(norms_TB[T - 1 - lag], np.linalg.norm(power), rtol=1e-10)


@pytest.mark.parametrize("value", [0.5, 0.9, -0.9])
@pytest.mark.parametrize("backend", ["loop", "compiled"])
def test_the_derivative_of_a_state_by_the_eigenvalue_has_the_closed_form_of_the_curse_of_memory(backend, value):
    """dh_T / dlambda is k lambda^(k-1) for an impulse k steps back; the sum of their squares is the mean square for
    white noise (Zucchet & Orvieto 2024), and no |dh_T / dh_t| is above 1.
    """
    module, steps = random_recurrence("rnn_identity", 1, 1), 130
    module.backend = backend
    with torch.no_grad():
        for p, number in zip(module.parameters(), (1.0, value, 0.0, 0.0), strict=True):
            p.fill_(number)
    found = []
    for impulse in torch.eye(steps, dtype=torch.float64)[:, :, None, None]:
        (d_lambda,) = torch.autograd.grad(module(impulse)[0][-1].sum(), module.weight_hh)
        found.append(d_lambda.item())
    k = np.arange(steps)[::-1]
    np.testing.assert_allclose(found, k * value ** np.maximum(k - 1.0, 0.0), rtol=1e-10)
    np.testing.assert_allclose(np.square(found).sum(), (1 + value**2) / (1 - value**2) ** 3, rtol=1e-6)
