"""What mlp, tcn and cnn share: hidden layers, skips over them, and a place to measure at above each of them.

Shapes: T time, B batch, D hidden, W width of a stream.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from functools import cache

import pytest
import torch
import torch.nn.functional as F

import seqablate
from seqablate.assemble import build_model, build_task
from seqablate.config.compose import compose_config
from seqablate.config.schema import TrainConfig
from seqablate.errors import UsageError
from seqablate.models.choices import DeepInit, Nonlinearity, Norm, Skip
from seqablate.models.deep.stack import DeepStack
from seqablate.models.functional import dropout
from seqablate.probe import TimestepProbe

D, B = 5, 3
SKIPS = ("none", "residual", "dense", "dense_residual", "highway")
TASKS = {"mlp": "task=adding task.length=10", "tcn": "task=adding task.length=40", "cnn": "task=digits"}
INPUTS = {"mlp": (10, B, 2), "tcn": (20, B, 2), "cnn": (64, B, 1)}
DEPTH = {"mlp": "depth", "tcn": "num_layers", "cnn": "depth"}
EACH = list(itertools.product(TASKS, SKIPS, (2, 5)))
each_model = pytest.mark.parametrize("model", TASKS)
each_net = pytest.mark.parametrize(("model", "skip", "depth"), EACH)


@cache
def defaults(model: str) -> TrainConfig:
    return compose_config([f"model={model}", *TASKS[model].split()])


def configure(model: str, skip: str = "none", depth: int = 2, **changes):
    sizes = {"hidden_size": D, DEPTH[model]: depth, "nonlinearity": Nonlinearity.tanh}
    config = defaults(model)
    return replace(config, model=replace(config.model, **(sizes | {"skip": Skip(skip)} | changes))).model


def build(model: str, skip: str = "none", depth: int = 2, seed: int = 0, **changes):
    spec = defaults(model).task.traits.sized(INPUTS[model][2], 10 if model == "cnn" else 1)
    return configure(model, skip, depth, **changes).build(seed=seed, task=spec).double()


def data(model: str) -> torch.Tensor:
    return torch.rand(INPUTS[model], dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def by_hand(net, model: str, skip: str, x: torch.Tensor, f=torch.tanh) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """The answers [B, O], and the stream above each layer (of dense skips: each layer's output)."""
    p, reads, made = dict(net.named_parameters()), [], []
    stream = {"mlp": x.permute(1, 0, 2).reshape(B, -1), "tcn": x.permute(1, 2, 0)}.get(model, x[:, :, 0].T)
    if model == "cnn":
        stream = stream.reshape(B, 1, 8, 8)
    for k in range(len(net.stack.layers)):
        weight, bias = p[f"stack.layers.{k}.weight"], p[f"stack.layers.{k}.bias"]
        if model == "mlp":
            y = stream @ weight.T + bias
        elif model == "tcn":
            y = F.conv1d(F.pad(stream, (2 * 2**k, 0)), weight, bias, dilation=2**k)
        else:
            y = F.conv2d(F.pad(stream, (1, 1, 1, 1)), weight, bias)
        y = f(y)
        made.append(y)
        if skip == "none" or k == 0:
            stream = y
        elif skip == "residual":
            stream = stream + y
        elif skip == "dense":
            stream = torch.cat(made, dim=1)
        elif skip == "dense_residual":
            stream = y + sum(reads)
        else:
            w, b = p[f"stack.skip.gates.{k - 1}.weight"], p[f"stack.skip.gates.{k - 1}.bias"]
            gate = (torch.einsum("oi,bi...->bo...", w, stream) + b.reshape(-1, *[1] * (stream.dim() - 2))).sigmoid()
            stream = gate * y + (1 - gate) * stream
        reads.append(stream)
    top = {"mlp": stream, "tcn": stream[..., -1], "cnn": stream.flatten(2).mean(2) if model == "cnn" else None}[model]
    return top @ p["readout.weight"].T + p["readout.bias"], made if skip == "dense" else reads


@each_net
def test_every_skip_is_its_papers_formula(model, skip, depth):
    net, x = build(model, skip, depth), data(model)
    output, state = net(x)
    assert state is None
    torch.testing.assert_close(output, by_hand(net, model, skip, x)[0], rtol=1e-12, atol=1e-13)


FORMULAS = {
    Nonlinearity.tanh: lambda a: 1 - 2 / (1 + (2 * a).exp()),
    Nonlinearity.relu: lambda a: (a + a.abs()) / 2,
    Nonlinearity.sigmoid: lambda a: 1 / (1 + (-a).exp()),
    Nonlinearity.identity: lambda a: a,
}


@pytest.mark.parametrize("nonlinearity", Nonlinearity, ids=lambda choice: choice.value)
@each_model
def test_every_nonlinearity_is_its_formula_and_so_is_its_gradient(model, nonlinearity):
    net, x = build(model, depth=3, nonlinearity=nonlinearity, init=DeepInit.he), data(model)
    output, (wanted, streams) = net(x)[0], by_hand(net, model, "none", x, FORMULAS[nonlinearity])
    torch.testing.assert_close(output, wanted, rtol=1e-12, atol=1e-13)
    parameters = list(net.parameters())
    both = [torch.autograd.grad(found.square().sum(), parameters, retain_graph=True) for found in (output, wanted)]
    torch.testing.assert_close(*both, rtol=1e-9, atol=1e-13)
    with TimestepProbe(net, outputs={place.name: place.layout for place in net.probe_points}) as probe:
        net(x)[0].square().sum().backward()
    for place, gradient in zip(net.probe_points, torch.autograd.grad(wanted.square().sum(), streams), strict=True):
        norms = probe[place.name].total["h"]
        torch.testing.assert_close(norms.square().sum(), gradient.square().sum(), rtol=1e-9, atol=0)


@each_net
def test_the_probe_measures_the_gradient_of_each_layers_stream(model, skip, depth):
    net, x = build(model, skip, depth), data(model)
    output, streams = by_hand(net, model, skip, x)
    wanted = torch.autograd.grad(output.square().sum(), streams)
    with TimestepProbe(net, outputs={place.name: place.layout for place in net.probe_points}) as probe:
        net(x)[0].square().sum().backward()
    assert [(point.place.part, point.place.layer) for point in net.probe_points] == [(model, k) for k in range(depth)]
    for place, gradient in zip(net.probe_points, wanted, strict=True):
        norm_11TB = probe[place.name].total["h"]
        over = {"mlp": "b... -> 1b", "tcn": "tb", "cnn": "1b"}[model]
        squares = gradient.square().sum(1)  # [B], [B, T] or [B, X, Y]
        norm_TB = squares.T if over == "tb" else squares.reshape(B, -1).sum(1)[None]
        torch.testing.assert_close(norm_11TB[0, 0], norm_TB.sqrt(), rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("nonlinearity", [Nonlinearity.relu, Nonlinearity.identity])
@pytest.mark.parametrize("skip", ["none", "residual"])
def test_where_a_net_is_linear_gradients_are_products_of_the_weights(skip, nonlinearity):
    """dJ/dh_k = (A_(k+1) ... A_L W)^T 1, A = W or I + W; a ReLU is the identity with no negative weight or input."""
    net = build("mlp", skip, 5, nonlinearity=nonlinearity)
    if nonlinearity is Nonlinearity.relu:
        with torch.no_grad():
            for p in net.parameters():
                p.abs_()
    with TimestepProbe(net, outputs={place.name: "BD" for place in net.probe_points}) as probe:
        net(data("mlp"))[0].sum().backward()
    flowing = net.readout.weight.sum(0)
    for k in reversed(range(5)):
        found_B = probe[f"stack.outputs.{k}"].total["h"][0, 0, 0]
        torch.testing.assert_close(found_B, flowing.norm().expand(B), rtol=1e-12, atol=0)
        A = net.stack.layers[k].weight
        flowing = flowing @ A + (flowing if skip == "residual" else 0) if k else flowing


@each_net
def test_gradcheck_in_float64(model, skip, depth):
    net = build(model, skip, depth)
    x = data(model)[:, :1].requires_grad_()
    assert torch.autograd.gradcheck(lambda x: net(x)[0], (x,))


@each_net
def test_the_parameter_count_is_the_closed_formula(model, skip, depth):
    first = {"mlp": 10 * 2, "tcn": 2 * 3, "cnn": 1 * 9}[model]
    taps = {"mlp": 1, "tcn": 3, "cnn": 9}[model]
    outputs = {"mlp": 1, "tcn": 1, "cnn": 10}[model]
    inputs = [D * k if skip == "dense" else D for k in range(1, depth)]
    gates = (depth - 1) * (D * D + D) if skip == "highway" else 0
    top = D * depth if skip == "dense" else D
    expected = D * first + D + sum(D * i * taps + D for i in inputs) + gates + (top + 1) * outputs
    assert sum(p.numel() for p in build(model, skip, depth).parameters()) == expected


@each_model
@pytest.mark.parametrize("init", ["torch", "he", "glorot", "orthogonal", "gaussian"])
def test_the_same_seed_gives_the_same_parameters_and_another_seed_others(model, init):
    kind = {"norm": Norm.layer, "init": DeepInit(init)}
    first, again, other = (build(model, "highway", seed=seed, **kind) for seed in (0, 0, 1))
    for (name, p), q, r in zip(first.named_parameters(), again.parameters(), other.parameters(), strict=True):
        assert torch.equal(p, q)
        assert "bias" in name or "norms" in name or not torch.equal(p, r), name


@each_model
def test_highway_gates_start_at_the_transform_bias(model):
    for gate in build(model, "highway", 3, transform_bias=-2.5).stack.skip.gates:
        assert (gate.bias == -2.5).all()


@each_model
def test_building_leaves_the_global_generator_alone(model):
    config = compose_config([f"model={model}", *TASKS[model].split(), "model.skip=highway"])
    task = build_task(config)
    before = torch.random.get_rng_state()
    build_model(config, task)
    assert torch.equal(before, torch.random.get_rng_state())


@each_model
@pytest.mark.parametrize("skip", SKIPS)
def test_a_deeper_net_begins_as_the_shallower_one(model, skip):
    shallow, deep = build(model, skip, 2), dict(build(model, skip, 5).named_parameters())
    for name, p in shallow.named_parameters():
        if p.shape == deep[name].shape:
            assert torch.equal(p, deep[name]), name


@each_model
@pytest.mark.parametrize("skip", SKIPS)
def test_saving_and_loading_changes_nothing(model, skip):
    net, other = (build(model, skip, seed=seed, norm=Norm.layer) for seed in (0, 7))
    assert not torch.equal(net(data(model))[0], other(data(model))[0])
    other.load_state_dict(net.state_dict())
    assert torch.equal(net(data(model))[0], other(data(model))[0])


@each_model
def test_the_norm_makes_each_features_vector_standard_before_the_nonlinearity(model):
    net = build(model, norm=Norm.layer, nonlinearity=Nonlinearity.relu)
    seen: list[torch.Tensor] = []
    net.stack.norms[1].register_forward_hook(lambda module, given, output: seen.extend([*given, output]))
    net.stack.outputs[1].register_forward_hook(lambda module, given, output: seen.append(output))
    net(data(model))
    a, normed, y = seen
    centred = a - a.sum(1, keepdim=True) / D
    expected = centred / (centred.square().sum(1, keepdim=True) / D + 1e-5).sqrt()
    torch.testing.assert_close(normed, expected, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(y, expected.clamp(min=0), rtol=1e-10, atol=1e-12)


@each_model
def test_dropout_acts_on_every_layers_output_and_comes_from_the_generator_given(model):
    net, x = build(model, dropout=0.5), data(model)
    whole, global_state = net(x)[0], torch.random.get_rng_state()
    first, again, other = (net(x, None, None, torch.Generator().manual_seed(seed))[0] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first, whole)
    assert torch.equal(global_state, torch.random.get_rng_state())
    generator, stream = torch.Generator().manual_seed(1), None
    for layer in net.stack.layers:  # the same masks, in the order of the layers
        read = _input_of(net, model, x) if stream is None else stream
        stream = dropout(torch.tanh(layer(read)), 0.5, generator)
    seen: list[torch.Tensor] = []
    net.stack.outputs[-1].register_forward_hook(lambda module, given, output: seen.append(output))
    net(x, None, None, torch.Generator().manual_seed(1))
    assert torch.equal(seen[0], stream)


def _input_of(net, model: str, x: torch.Tensor) -> torch.Tensor:
    seen: list[torch.Tensor] = []
    handle = net.stack.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    net(x)
    handle.remove()
    return seen[0]


@each_model
def test_the_net_is_a_function_of_parameters_and_input_alone(model):
    """No state, no training mode: evaluation in the middle of training cannot change it."""
    net, x = build(model, "residual"), data(model)
    assert torch.equal(net(x)[0], net.eval()(x)[0])
    assert isinstance(net.stack, DeepStack)
    assert not list(net.buffers())


@each_model
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"norm": Norm.cell}, "model.norm=cell needs a recurrent model"),
        ({"dropout": 1.0}, "model.dropout=1.0: must be at least 0 and below 1"),
        ({"hidden_size": 0}, "model.hidden_size=0: must be at least 1"),
        ({"init": DeepInit.he, "gain": 2.0}, "model.gain=2.0 scales model.init=orthogonal"),
        ({"transform_bias": math.nan}, "model.transform_bias=nan: must be a finite number"),
    ],
)
def test_what_means_nothing_is_refused_in_one_line(model, changes, message):
    with pytest.raises(UsageError) as refusal:
        configure(model, **changes)
    assert str(refusal.value).startswith(message)
    assert "\n" not in str(refusal.value)


@each_model
def test_a_skip_over_one_layer_and_a_net_without_layers_are_refused(model):
    with pytest.raises(UsageError, match=f"needs model.{DEPTH[model]} of 2 or more"):
        configure(model, "residual", 1)
    with pytest.raises(UsageError, match=f"model.{DEPTH[model]}=0: must be at least 1"):
        configure(model, depth=0)


@each_model
def test_a_run_records_one_norm_per_layer_and_the_curve_over_depth_where_there_is_no_time(model, tmp_path):
    words = [
        f"model={model}",
        *TASKS[model].split(),
        f"model.{DEPTH[model]}=3",
        f"model.hidden_size={D}",
        f"output_dir={tmp_path}",
    ]
    run = seqablate.train([*words, "steps=2", "probe.every=1", "eval.size=20", "batch_size=4"])
    assert run.status == "done"
    found = run.signals[run.signals.value.notna()]
    layers = found[found.quantity == "layer"].groupby("step")["index"].apply(list)
    assert layers.map(lambda index: index == [0, 1, 2]).all()
    assert set(layers.index) >= {0, 1}
    assert set(found.quantity) == ({"layer", "total", "lag"} if model == "tcn" else {"layer", "depth_lag"})
