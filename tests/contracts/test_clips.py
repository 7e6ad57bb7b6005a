"""Every clipping strategy, the same promises."""

from __future__ import annotations

import pytest
import torch

from seqablate.config.compose import compose_config
from seqablate.config.registry import variants

CLIPS = variants("clip")


def parameters(scale: float, seed: int = 0) -> list[torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    made = [torch.nn.Parameter(torch.zeros(shape, dtype=torch.float64)) for shape in [(3, 4), (5,), (2, 2, 2)]]
    for p in made:
        p.grad = scale * torch.randn(p.shape, dtype=torch.float64, generator=generator)
    return [*made, torch.nn.Parameter(torch.zeros(2, dtype=torch.float64))]  # the last has no gradient


def flat(made: list[torch.nn.Parameter]) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in made if p.grad is not None])


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_the_reported_norms_are_those_of_the_gradients_before_and_after(name, scale):
    made = parameters(scale)
    before = flat(made).norm()
    result = compose_config([f"clip={name}"]).clip.build()(made)
    torch.testing.assert_close(result.norm_before, before, rtol=1e-12, atol=0)
    torch.testing.assert_close(result.norm_after, flat(made).norm(), rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", CLIPS)
def test_a_small_gradient_passes_to_the_last_bit_and_a_step_is_counted_only_when_cut(name):
    clip = compose_config([f"clip={name}"]).clip.build()
    small, large = parameters(1e-3), parameters(1e6)
    untouched = flat(parameters(1e-3))
    assert not clip(small).clipped
    assert torch.equal(flat(small), untouched)
    assert bool(clip(large).clipped) == (name != "none")


def test_norm_clipping_equals_torch():
    made, reference = parameters(5.0), parameters(5.0)
    compose_config(["clip=norm", "clip.max_norm=0.7"]).clip.build()(made)
    torch.nn.utils.clip_grad_norm_(reference, 0.7)  # divides by norm + 1e-6
    torch.testing.assert_close(flat(made), flat(reference), rtol=1e-6, atol=0)
    assert flat(made).norm() == pytest.approx(0.7, rel=1e-12)


def test_value_clipping_equals_torch():
    made, reference = parameters(5.0), parameters(5.0)
    compose_config(["clip=value", "clip.clip_value=0.3"]).clip.build()(made)
    torch.nn.utils.clip_grad_value_(reference, 0.3)
    assert torch.equal(flat(made), flat(reference))


@pytest.mark.parametrize("name", CLIPS)
def test_a_non_finite_gradient_shows_in_the_norm(name):
    made = parameters(1.0)
    made[0].grad[0, 0] = float("nan")
    assert not compose_config([f"clip={name}"]).clip.build()(made).norm_before.isfinite()


@pytest.mark.parametrize("name", CLIPS)
def test_a_zero_gradient_stays_zero(name):
    made = parameters(0.0)
    compose_config([f"clip={name}"]).clip.build()(made)
    assert not flat(made).any()
