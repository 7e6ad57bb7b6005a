"""Every model, the same promises: pairwise over what can be combined."""

from __future__ import annotations

import itertools

import pytest
import torch

from seqablate.assemble import build_model, build_task
from seqablate.config.compose import compose_config
from seqablate.config.registry import variants
from seqablate.engine.recurrence import Recurrence

TORCHS = ["model=rnn", "model=gru", "model=lstm"]
OURS = ["model=mgu", "model=lstm model.variant=no_forget_gate", "model=lstm model.variant=coupled_gates"]
GATES = dict(zip(TORCHS + OURS, (1, 3, 4, 2, 3, 3), strict=True))
SIZES = [
    f" model.num_layers={layers} model.bidirectional={str(bi).lower()}"
    for layers, bi in itertools.product((1, 3), (False, True))
]
SHAPES = [model + size for model in GATES for size in (SIZES[::3] if "variant" in model else SIZES)]
each_model = pytest.mark.parametrize("overrides", SHAPES)
T, B, D = 9, 4, 5


def build(overrides: str, task: str = "task=copy", *more: str):
    config = compose_config([*overrides.split(), task, f"model.hidden_size={D}", "task.length=10", *more])
    return build_model(config, build_task(config)).double()


def data(features: int = 10) -> torch.Tensor:
    return torch.randn(T, B, features, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_no_model_is_left_out():
    assert {model.split()[0] for model in GATES} == {f"model={name}" for name in variants("model")}


@each_model
def test_output_has_the_shape_that_the_task_asks_for(overrides):
    assert build(overrides)(data())[0].shape == (T, B, 9)
    assert build(overrides, "task=adding")(data(2))[0].shape == (B, 1)


@each_model
def test_the_same_seed_gives_the_same_parameters_and_another_seed_others(overrides):
    first, again, other = build(overrides), build(overrides), build(overrides, "task=copy", "seed=1")
    for (name, p), q, r in zip(first.named_parameters(), again.parameters(), other.parameters(), strict=True):
        assert torch.equal(p, q)
        assert "bias" in name or not torch.equal(p, r), name


@each_model
def test_building_leaves_the_global_generator_alone(overrides):
    before = torch.random.get_rng_state()
    build(overrides)
    assert torch.equal(before, torch.random.get_rng_state())


@each_model
def test_a_longer_stack_begins_as_the_shorter_one(overrides):
    deeper = build(overrides.replace("num_layers=1", "num_layers=2"))
    parameters = dict(deeper.named_parameters())
    for name, p in build(overrides).named_parameters():
        if name in parameters and p.shape == parameters[name].shape:
            assert torch.equal(p, parameters[name]), name


@each_model
def test_gradcheck_in_float64(overrides):
    model = build(overrides)
    x = data()[:4, :2].requires_grad_()
    assert torch.autograd.gradcheck(lambda x: model(x)[0], (x,))


@each_model
def test_changing_x_t_never_changes_an_output_before_t_unless_bidirectional(overrides):
    model, x = build(overrides), data()
    changed = x.clone()
    changed[5] += 1.0
    same = (model(x)[0] == model(changed)[0]).flatten(1).all(1)
    bidirectional = "bidirectional=true" in overrides
    assert same[:5].all() == (not bidirectional)
    assert not same[5:].any()


@each_model
@pytest.mark.parametrize("task", ["task=copy", "task=adding"])
def test_padding_has_no_influence(overrides, task):
    model, x = build(overrides, task), data(10 if task == "task=copy" else 2)
    lengths = torch.tensor([9, 4, 7, 1])
    output = model(x, lengths)[0]
    for sample, length in enumerate(lengths):
        alone = model(x[:length, sample : sample + 1])[0]
        padded = output[:length, sample] if task == "task=copy" else output[sample]
        torch.testing.assert_close(
            padded, alone.squeeze(-2) if task == "task=copy" else alone[0], rtol=1e-10, atol=1e-12
        )
    x[4:, 1] = 99.0  # what stands in the padding does not matter either
    again = model(x, lengths)[0]
    assert torch.equal(again[:4, 1], output[:4, 1]) if task == "task=copy" else torch.equal(again[1], output[1])


@pytest.mark.parametrize("overrides", [shape for shape in SHAPES if "bidirectional=false" in shape])
def test_a_carried_state_goes_on_where_the_first_half_ended(overrides):
    model, x = build(overrides), data()
    whole, _ = model(x)
    first, state = model(x[:4])
    second, _ = model(x[4:], None, state)
    torch.testing.assert_close(torch.cat([first, second]), whole, rtol=1e-10, atol=1e-12)


@each_model
def test_the_parameter_count_is_the_closed_formula(overrides):
    gates = GATES[overrides.partition(" model.num_layers")[0]]
    layers = 3 if "num_layers=3" in overrides else 1
    ways = 2 if "bidirectional=true" in overrides else 1
    inputs = [10] + [D * ways] * (layers - 1)
    expected = sum(ways * gates * (D * i + D * D + 2 * D) for i in inputs) + (D * ways + 1) * 9
    assert sum(p.numel() for p in build(overrides).parameters()) == expected


@pytest.mark.parametrize("overrides", [model + size for model, size in itertools.product(TORCHS, SIZES)])
def test_weights_go_into_the_torch_module_of_that_shape_and_back(overrides):
    model, x = build(overrides), data()
    module = model.to_torch()
    expected = model.readout(module(x)[0])
    torch.testing.assert_close(model(x)[0], expected, rtol=1e-10, atol=1e-12)
    other = build(overrides, "task=copy", "seed=7")
    other.load_torch(module)
    other.readout.load_state_dict(model.readout.state_dict())
    assert torch.equal(other(x)[0], model(x)[0])


@pytest.mark.parametrize("overrides", OURS)
def test_a_model_that_torch_does_not_have_says_so(overrides):
    model = build(overrides)
    with pytest.raises(ValueError, match="torch has no module of the cell"):
        model.to_torch()
    with pytest.raises(ValueError, match="torch has no module of the cell"):
        model.load_torch(torch.nn.LSTM(10, D))


@each_model
def test_saving_and_loading_changes_nothing(overrides):
    model, other = build(overrides), build(overrides, "task=copy", "seed=7")
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(data())[0], model(data())[0])


@each_model
def test_every_recurrence_is_named_where_it_stands(overrides):
    model = build(overrides)
    places = [(r.layer, r.direction) for r in model.recurrences]
    assert len(set(places)) == len(places) == (3 if "num_layers=3" in overrides else 1) * (1 + ("=true" in overrides))
    for recurrence in model.recurrences:
        module = model.get_submodule(recurrence.name)
        assert isinstance(module, Recurrence)


def test_a_module_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="this stack has the shape of"):
        build("model=lstm").load_torch(torch.nn.LSTM(10, D + 1))
    with pytest.raises(ValueError, match="this stack has the shape of"):
        build("model=rnn").load_torch(torch.nn.RNN(10, D, nonlinearity="relu"))
