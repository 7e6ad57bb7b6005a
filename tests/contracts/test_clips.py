"""Every clipping strategy, the same promises: those of the parameters' gradients, and those inside a recurrence."""

from __future__ import annotations

import math
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from architectures import KINDS, Case

from seqablate.assemble import assemble, build_model, build_task, read_overrides
from seqablate.config.compose import compose_config
from seqablate.config.registry import variants
from seqablate.engine.ports import StateClip
from seqablate.engine.recurrence import Recurrence
from seqablate.errors import UsageError
from seqablate.record.sources import sources
from seqablate.training.step import train_step

CLIPS = variants("clip")
# What each clip that acts makes of a large gradient in the direction (3, -4), with the default config.
CLIPPED = {
    "norm": [0.6, -0.8],
    "value": [0.1, -0.1],
    "layer": [0.6, -0.8],
    "adaptive": [6e-6, -8e-6],  # of weights that are zero
    "chain": [0.1, -0.1],
}
LATER = ("percentile",)  # what acts from the second step on
INSIDE = [name for name in CLIPS if compose_config([f"clip={name}"]).clip.build().inside(1) is not None]


def parameters(scale: float, seed: int = 0) -> list[torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    made = [torch.nn.Parameter(torch.full(shape, 9.0, dtype=torch.float64)) for shape in [(3, 4), (5,), (2, 2, 2)]]
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
    assert bool(clip(large).clipped) == (name in (*CLIPPED, *LATER))


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


@pytest.mark.parametrize(
    ("dtype", "unit"),
    [
        *((torch.float32, unit) for unit in (1e-44, 1e-25, 1e19, 5e37)),
        *((torch.float64, unit) for unit in (1e-200, 1e200)),
    ],
)
@pytest.mark.parametrize("name", CLIPS)
def test_the_norm_of_finite_entries_is_finite_and_exact_at_any_scale(name, unit, dtype):
    """The squares of 1e-25 and of 1e19 are outside the range of float32, those of 1e-200 and 1e200 outside float64."""
    made = torch.nn.Parameter(torch.zeros(3, dtype=dtype))
    made.grad = torch.tensor([3 * unit, -4 * unit, 0], dtype=dtype)
    found = compose_config([f"clip={name}"]).clip.build()([made])
    wanted = math.hypot(*torch.tensor([3 * unit, 4 * unit], dtype=dtype).tolist())
    assert found.norm_before.dtype == torch.float64
    assert found.norm_before.item() == pytest.approx(wanted, rel=1e-12)
    assert found.norm_after.item() == pytest.approx(math.hypot(*made.grad.tolist()), rel=1e-6)
    acts = unit > 1 and name in CLIPPED
    assert bool(found.clipped) == acts
    expected = CLIPPED[name] if acts else [3 * unit, -4 * unit]
    torch.testing.assert_close(made.grad[:2], torch.tensor(expected, dtype=dtype), rtol=1e-6, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_norm_clipping_acts_although_its_factor_is_below_the_range_of_float32(dtype):
    made = torch.nn.Parameter(torch.zeros(2, dtype=dtype))
    made.grad = torch.tensor([1.5e38, 2e38], dtype=dtype)
    compose_config(["clip=norm", "clip.max_norm=1e-9"]).clip.build()([made])  # a factor of 4e-48
    torch.testing.assert_close(made.grad, torch.tensor([6e-10, 8e-10], dtype=dtype), rtol=1e-6, atol=0)


def test_an_entry_equal_to_the_limit_is_not_counted_as_clipped():
    made = torch.nn.Parameter(torch.zeros(1))
    made.grad = torch.tensor([0.1])  # as a float32 it is above the float64 0.1 of the setting
    assert not compose_config(["clip=value", "clip.clip_value=0.1"]).clip.build()([made]).clipped


@pytest.mark.parametrize("entry", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", CLIPS)
def test_only_an_entry_that_is_not_finite_makes_the_norm_not_finite(name, entry):
    for dtype in (torch.float32, torch.float64):
        made = torch.nn.Parameter(torch.zeros(2, dtype=dtype))
        made.grad = torch.tensor([1.0, entry], dtype=dtype)
        assert not compose_config([f"clip={name}"]).clip.build()([made]).norm_before.isfinite()


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("name", ["norm", "value"])
def test_gradients_of_several_types_are_each_clipped_in_their_own_precision(name, order):
    """The factor of clip=norm, 2e-201, is 0 in float32 and lost all but three digits in bfloat16."""
    entries = {torch.float64: 4e200, torch.float32: 3e-25, torch.bfloat16: 1e-20}
    made = [torch.nn.Parameter(torch.zeros(1, dtype=dtype)) for dtype in [*entries][::order]]
    for p in made:
        p.grad = torch.tensor([entries[p.dtype]], dtype=p.dtype)
    found = compose_config([f"clip={name}"]).clip.build()(made)
    limit = {"norm": 1.0, "value": 0.1}[name]
    wide = next(p for p in made if p.dtype == torch.float64)
    assert found.norm_before.item() == pytest.approx(4e200, rel=1e-12)
    assert wide.grad.item() == pytest.approx(limit, rel=1e-12)


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("sizes", [(), (0,), (0, 2)])
def test_a_parameter_without_entries_and_a_model_without_gradients_have_a_norm(name, sizes):
    made = [torch.nn.Parameter(torch.full((size,), 9.0)) for size in sizes]
    for p in made:
        p.grad = torch.full_like(p, 3e-2)
    found = compose_config([f"clip={name}"]).clip.build()([*made, torch.nn.Parameter(torch.zeros(2))])
    assert found.norm_after.item() == pytest.approx(3e-2 * 2**0.5 if 2 in sizes else 0.0, rel=1e-6)
    assert not found.clipped


def test_layer_clipping_is_norm_clipping_of_each_tensor():
    made, reference = parameters(5.0), parameters(5.0)
    compose_config(["clip=layer", "clip.max_norm=0.7"]).clip.build()(made)
    for one, other in zip(made[:3], reference[:3], strict=True):
        torch.nn.utils.clip_grad_norm_([other], 0.7)
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-6, atol=0)


def test_adaptive_clipping_is_equation_3_for_each_row_and_leaves_the_readout():
    torch.manual_seed(0)
    layers = {"first": torch.nn.Linear(3, 4), "readout": torch.nn.Linear(4, 2)}
    model = torch.nn.Module()
    for name, layer in layers.items():
        model.add_module(name, layer.double())
    for p in model.parameters():
        p.grad = torch.randn_like(p) * torch.logspace(-4, 1, p.numel(), dtype=p.dtype).view_as(p)
    before = [p.grad.clone() for p in model.parameters()]
    clip = compose_config(["clip=adaptive", "clip.clip_factor=0.5"]).clip.build()
    clip.prepare(model)
    assert clip(list(model.parameters())).clipped
    weight, bias, *last = model.parameters()
    for row in range(4):
        limit = 0.5 * max(math.hypot(*weight[row].tolist()), 1e-3)
        factor = min(1.0, limit / math.hypot(*before[0][row].tolist()))
        torch.testing.assert_close(weight.grad[row], before[0][row] * factor, rtol=1e-12, atol=0)
    factor = min(1.0, 0.5 * math.hypot(*bias.tolist()) / math.hypot(*before[1].tolist()))
    torch.testing.assert_close(bias.grad, before[1] * factor, rtol=1e-12, atol=0)
    assert 0 < torch.eq(weight.grad, before[0]).all(1).sum() < 4  # some rows are cut
    assert all(torch.equal(p.grad, g) for p, g in zip(last, before[2:], strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_adaptive_clipping_spares_the_layer_of_each_model_that_makes_its_outputs(kind):
    config = read_overrides([*Case(kind, "none", False, 2).words, "device=cpu"])
    model = build_model(config, build_task(config))
    clip = compose_config(["clip=adaptive"]).clip.build()
    clip.prepare(model)
    spared = {name for name, p in model.named_parameters() if p in clip.excluded}
    assert spared == ({"embedding.weight"} if kind == "t5" else {"readout.weight", "readout.bias"})


@pytest.mark.parametrize(("window", "kept"), [("null", 99), (4, 4)])
def test_percentile_clipping_cuts_to_numpys_percentile_of_the_norms_so_far(window, kept):
    clip = compose_config(["clip=percentile", "clip.percentile=30", f"clip.window={window}"]).clip.build()
    norms = []
    for step, scale in enumerate([1.0, 3.0, 0.5, math.inf, 0.0, 2.0, 7.0, 0.1]):
        made = torch.nn.Parameter(torch.zeros(2, dtype=torch.float64))
        made.grad = torch.tensor([0.6, 0.8], dtype=torch.float64) * scale
        result = clip([made])
        norms.append(scale if math.isfinite(scale) else math.nan)
        limit = np.nanpercentile(norms[-kept:], 30)
        assert bool(result.clipped) == (scale > limit), step
        if math.isfinite(scale):
            assert made.grad.norm().item() == pytest.approx(min(scale, limit), rel=1e-12, abs=0)
            assert result.norm_after.item() == pytest.approx(min(scale, limit), rel=1e-12, abs=0)


@pytest.mark.parametrize("words", [["clip=percentile"], ["clip=chain", 'clip.parts=[value,"percentile window=3"]']])
def test_what_a_clip_remembers_goes_through_a_checkpoint(words):
    build = compose_config(words).clip.build
    whole, first = build(), build()
    for k in range(4):
        whole(parameters(k + 1.0))
        first(parameters(k + 1.0))
    resumed = build()
    resumed.load_state_dict(first.state_dict())
    one, other = parameters(9.0), parameters(9.0)
    assert torch.equal(whole(one).norm_after, resumed(other).norm_after)
    assert torch.equal(flat(one), flat(other))
    with pytest.raises(ValueError):
        build().load_state_dict({"norms": torch.zeros(2, 2), "1.norms": torch.zeros(3)})
    with pytest.raises(ValueError):
        compose_config(["clip=norm"]).clip.build().load_state_dict(first.state_dict())


def test_a_chain_clips_by_its_parts_in_their_order():
    made, reference = parameters(5.0), parameters(5.0)
    clip = compose_config(["clip=chain", 'clip.parts=["norm max_norm=3","value clip_value=0.2"]']).clip.build()
    found = clip(made)
    torch.nn.utils.clip_grad_norm_(reference, 3)
    torch.nn.utils.clip_grad_value_(reference, 0.2)
    torch.testing.assert_close(flat(made), flat(reference), rtol=1e-6, atol=0)
    assert found.norm_after.item() == pytest.approx(flat(made).norm().item())
    assert found.norm_before.item() == pytest.approx(flat(parameters(5.0)).norm().item())
    inside = compose_config(["clip=chain", "clip.parts=[norm,state]"]).clip.build().inside(2)
    assert inside == compose_config(["clip=state"]).clip.build().inside(2)


def test_the_files_of_a_chains_parts_are_among_those_that_compute_a_run():
    found = sources(read_overrides(["clip=chain", "clip.parts=[value,layer]"]))
    assert {"seqablate/clip/chain.py", "seqablate/clip/value.py", "seqablate/clip/layer.py"} <= found.keys()
    assert "seqablate/clip/norm.py" not in found


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ("[nrom]", "clip.parts: in 'nrom': clip=nrom: did you mean clip=norm"),
        ('["norm max=2"]', "clip.parts: in 'norm max=2': .*clip.max"),
        ('["norm max_norm=-1"]', "clip.max_norm=-1.0: must be a positive"),
        ("[]", "name at least one clip"),
        ("[chain]", "a chain cannot be a part of a chain"),
        ("[state,state]", "only one of them can act inside"),
    ],
)
def test_a_part_that_does_not_exist_is_refused_in_one_line(parts, reason):
    with pytest.raises(UsageError, match=reason) as error:
        read_overrides(["clip=chain", f"clip.parts={parts}"])
    assert "\n" not in str(error.value)


# --- inside a recurrence ----------------------------------------------------------------------------------------------


def inside(name: str) -> StateClip:
    clip = compose_config([f"clip={name}"]).clip.build().inside(1)
    assert clip is not None
    return clip


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
@pytest.mark.parametrize("name", INSIDE)
def test_both_forms_of_a_state_clip_say_the_same_and_neither_touches_a_small_gradient_or_a_zero(name, scale, dtype):
    generator = torch.Generator().manual_seed(0)
    d_BD = scale * torch.randn(6, 5, generator=generator, dtype=dtype) * torch.tensor([[0.0], *[[1.0]] * 5]).to(dtype)
    padded = np.full((6, 8), 7.0, d_BD.numpy().dtype)
    padded[:, :5] = d_BD.numpy()
    acted = inside(name).rows(padded, 5)  # as Python runs it
    changed_BD = inside(name).tensor(d_BD)
    torch.testing.assert_close(torch.from_numpy(padded[:, :5]), changed_BD, rtol=1e-6, atol=0)
    assert (padded[:, 5:] == 7).all()
    assert acted == (not torch.equal(changed_BD, d_BD)) == (scale >= 1)
    assert changed_BD.dtype == dtype
    assert not changed_BD[0].any()


@pytest.mark.parametrize("name", INSIDE)
def test_a_state_clip_looks_at_one_sample_at_a_time(name):
    d_BD = torch.randn(4, 5, generator=torch.Generator().manual_seed(0)) * torch.tensor([[1e-3], [1e3], [1.0], [1e6]])
    together = inside(name).tensor(d_BD)
    for sample in range(4):
        assert torch.equal(inside(name).tensor(d_BD[sample, None])[0], together[sample])


@pytest.mark.parametrize("name", INSIDE)
def test_a_state_clip_lets_nan_pass(name):
    assert inside(name).tensor(torch.tensor([[1.0, math.nan]])).isnan().any()


def recurrences(model: torch.nn.Module) -> list[Recurrence]:
    return [module for module in model.modules() if isinstance(module, Recurrence)]


@pytest.mark.parametrize("name", INSIDE)
@pytest.mark.parametrize("kind", KINDS)
def test_a_state_clip_trains_every_model_with_a_recurrence_and_is_refused_by_the_others(kind, name):
    words = Case(kind, "none", False, 2).words
    config = read_overrides([*words, f"clip={name}", "device=cpu", "batch_size=3"])
    if not recurrences(build_model(config, build_task(config))):
        with pytest.raises(UsageError, match=f"clip={name} acts inside of a recurrence, and model=[a-z0-9]+ has none"):
            assemble(config)
        return
    parts = assemble(config)
    outcome = train_step(parts, 0, parts.task, None, nullcontext(), measure_update=False)
    assert outcome.measured[:4].isfinite().all()
    assert all(module.clipping is None for module in recurrences(parts.model))
