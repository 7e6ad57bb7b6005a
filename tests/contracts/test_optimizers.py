"""Every optimizer, the same promises."""

from __future__ import annotations

import io
import math

import pytest
import torch

from seqablate.config.compose import compose_config
from seqablate.config.registry import variants

OPTIMIZERS = [name for name in variants("optim") if name != "random_guess"]  # which follows no gradient
LR, B1, B2, EPS = 0.01, 0.9, 0.999, 1e-8
MU = [B1 * (1 - 0.5 * 0.96 ** (0.004 * t)) for t in (1, 2)]  # Dozat's schedule of the momentum
# The first update of a parameter 1.0 with gradient 0.5, from each paper's formula, with the default config.
FIRST_UPDATE = {
    "sgd": -0.1 * 0.5,
    "momentum": -0.03 * 0.5,
    "adagrad": -0.03 * 0.5 / (0.5 + 1e-10),
    "rmsprop": -0.003 * 0.5 / (math.sqrt(0.01 * 0.25) + 1e-8),
    "adam": -LR * 0.5 / (0.5 + EPS),
    "adamw": -LR * 0.5 / (0.5 + EPS) - LR * 0.01 * 1.0,
    "adadelta": -math.sqrt(1e-6) / math.sqrt(0.1 * 0.25 + 1e-6) * 0.5,
    "nadam": -LR * ((1 - MU[0]) / (1 - MU[0]) * 0.5 + MU[1] / (1 - MU[0] * MU[1]) * 0.05) / (0.5 + EPS),
    "radam": -LR * 0.5,  # not rectified: rho_1 = 1
}


def build(name: str, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    return compose_config([f"optim={name}"]).optim.build(parameters)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_first_update_is_the_papers(name):
    p = torch.nn.Parameter(torch.ones(1, 1, dtype=torch.float64))
    optimizer = build(name, [p])
    p.grad = torch.full_like(p, 0.5)
    optimizer.step()
    assert p.item() - 1.0 == pytest.approx(
        FIRST_UPDATE[name], rel=1e-7 if name == "nadam" else 1e-9
    )  # it keeps a product in float32


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_quadratic_is_minimised(name):
    p = torch.nn.Parameter(torch.tensor([0.3, -0.2]))
    optimizer = build(name, [p])
    for _ in range(400):
        optimizer.zero_grad()
        (p**2).sum().backward()
        optimizer.step()
    assert p.norm() < 0.02


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_saved_and_loaded_safely_it_goes_on_bit_for_bit(name):
    def steps(p: torch.nn.Parameter, optimizer: torch.optim.Optimizer, count: int) -> None:
        for _ in range(count):
            p.grad = torch.sin(p.detach() * 7)
            optimizer.step()

    whole = torch.nn.Parameter(torch.linspace(-1, 1, 9))
    optimizer = build(name, [whole])
    steps(whole, optimizer, 3)
    file = io.BytesIO()
    torch.save({"p": whole.data, "optimizer": optimizer.state_dict()}, file)
    steps(whole, optimizer, 3)

    file.seek(0)
    saved = torch.load(file, weights_only=True)
    resumed = torch.nn.Parameter(saved["p"])
    optimizer = build(name, [resumed])
    optimizer.load_state_dict(saved["optimizer"])
    steps(resumed, optimizer, 3)
    assert torch.equal(whole, resumed)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_configs_values_reach_torch(name):
    config = compose_config([f"optim={name}", "optim.lr=0.123", "optim.weight_decay=0.01"]).optim
    group = config.build([torch.nn.Parameter(torch.ones(1, 1))]).param_groups[0]
    assert group["lr"] == 0.123
    assert group["weight_decay"] == 0.01


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weight_decay_acts_on_weights_and_not_on_biases(name):
    """Gradients are zero, so that nothing but the decay moves a parameter."""
    bias, weight = (torch.nn.Parameter(torch.ones(shape)) for shape in [(2,), (2, 2)])
    optimizer = compose_config([f"optim={name}", "optim.weight_decay=0.1"]).optim.build([bias, weight])
    for p in (bias, weight):
        p.grad = torch.zeros_like(p)
    optimizer.step()
    assert (bias == 1).all()
    assert (weight < 1).all()
    plain = compose_config([f"optim={name}", "optim.weight_decay=0"]).optim.build([bias, weight])
    assert [group["params"] for group in plain.param_groups] == [[bias, weight]]
