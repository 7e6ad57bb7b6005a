from __future__ import annotations

import pytest
import torch

from seqablate.config.compose import compose_config
from seqablate.config.registry import variants


def factors(*overrides: str, steps: int = 100) -> list[float]:
    schedule = compose_config(list(overrides)).schedule
    return [schedule.factor(step, steps) for step in range(steps)]


def torchs(make, steps: int = 100) -> list[float]:
    """The learning rates of one of torch's schedulers, with lr 1."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    scheduler = make(optimizer)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def test_cosine_equals_torch():
    reference = torchs(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=100, eta_min=0.1))
    assert factors("schedule=cosine", "schedule.final_factor=0.1") == pytest.approx(reference)


def test_step_equals_torch():
    reference = torchs(lambda o: torch.optim.lr_scheduler.StepLR(o, step_size=30, gamma=0.5))
    assert factors("schedule=step", "schedule.step_size=30") == pytest.approx(reference)


@pytest.mark.parametrize("name", variants("schedule"))
def test_warm_up_is_linear_and_ends_at_the_full_rate(name):
    made = factors(f"schedule={name}", "schedule.warmup_steps=10")
    assert made[:10] == pytest.approx([0.1 * k for k in range(1, 11)])
    assert made[10] == pytest.approx(1.0, rel=1e-3)
    assert all(0 <= f <= 1 for f in made)
