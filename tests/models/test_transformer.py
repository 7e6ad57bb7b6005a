"""model=transformer against a transformer written out in plain products, finite differences and torch itself.

Shapes: T time, B batch, D hidden, I input, F feed-forward.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

import seqablate
from seqablate.assemble import build_model, build_task
from seqablate.config.compose import compose_config
from seqablate.errors import UsageError
from seqablate.models.transformer.model import sinusoids
from seqablate.probe import TimestepProbe

D, HEADS, WIDTH, LAYERS = 8, 2, 12, 2
SMALL = (f"model.hidden_size={D}", f"model.num_heads={HEADS}", f"model.dim_feedforward={WIDTH}")
LENGTHS = torch.tensor([7, 3, 5, 1])
T, B = 7, 4

KINDS = [
    f"model.norm_first={first} model.causal={causal}"
    for first, causal in itertools.product(("true", "false"), ("true", "false"))
]
each_kind = pytest.mark.parametrize("kind", KINDS)


def build(*words: str, task: str = "copy"):
    overrides = [f"task={task}", "model=transformer", *SMALL, *itertools.chain(*(word.split() for word in words))]
    config = compose_config(overrides)
    return build_model(config, build_task(config)).double()


def data(features: int = 10, steps: int = T) -> torch.Tensor:
    return torch.randn(steps, B, features, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


# What it computes


def plain_transformer(model, x: np.ndarray, first: bool, causal: bool, length: int) -> np.ndarray:
    """The outputs [T, O] of one sample, query by query and head by head, from the state dict alone."""
    p = {name: value.numpy() for name, value in model.state_dict().items()}

    def norm(stream: np.ndarray, name: str) -> np.ndarray:
        centred = stream - stream.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
        return scaled * p[f"{name}.weight"] + p[f"{name}.bias"]

    def attention(stream: np.ndarray, name: str) -> np.ndarray:
        q, k, v = np.split(stream @ p[f"{name}.in_proj_weight"].T + p[f"{name}.in_proj_bias"], 3, axis=1)
        size, found = D // HEADS, np.zeros_like(stream)
        for head, t in itertools.product(range(HEADS), range(len(stream))):
            part = slice(head * size, (head + 1) * size)
            seen = t + 1 if causal else length
            weights = np.exp(k[:seen, part] @ q[t, part] / math.sqrt(size))
            found[t, part] = weights / weights.sum() @ v[:seen, part]
        return found @ p[f"{name}.out_proj.weight"].T + p[f"{name}.out_proj.bias"]

    def feed_forward(stream: np.ndarray, name: str) -> np.ndarray:
        inner = np.maximum(stream @ p[f"{name}.linear1.weight"].T + p[f"{name}.linear1.bias"], 0.0)
        return inner @ p[f"{name}.linear2.weight"].T + p[f"{name}.linear2.bias"]

    def position(t: int) -> list[float]:
        return [(math.cos if i % 2 else math.sin)(t / 10000 ** (2 * (i // 2) / D)) for i in range(D)]

    if x.dtype == np.int64:
        stream = p["embedding.weight"][x] * math.sqrt(D)
    else:
        stream = x @ p["embedding.weight"].T + p["embedding.bias"]
    stream = stream + np.array([position(t) for t in range(len(stream))])
    for k in range(LAYERS):
        at = f"layers.{k}"
        if first:
            stream = stream + attention(norm(stream, f"{at}.norm1"), f"{at}.self_attn")
            stream = stream + feed_forward(norm(stream, f"{at}.norm2"), at)
        else:
            stream = norm(stream + attention(stream, f"{at}.self_attn"), f"{at}.norm1")
            stream = norm(stream + feed_forward(stream, at), f"{at}.norm2")
    stream = norm(stream, "norm") if first else stream
    return stream @ p["readout.weight"].T + p["readout.bias"]


def disturbed(model):
    """Biases and norms away from zero and one, or a mistake in them could not be seen."""
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype))
    return model


@each_kind
@pytest.mark.parametrize("task", ["copy", "adding"])
def test_it_is_the_transformer_of_the_paper(kind, task):
    model, x = disturbed(build(kind, task=task)), data(10 if task == "copy" else 2)
    output = model(x, LENGTHS)[0].detach().numpy()
    for sample, length in enumerate(LENGTHS.tolist()):
        expected = plain_transformer(
            model, x[:, sample].numpy(), "norm_first=true" in kind, "causal=true" in kind, length
        )
        if task == "copy":
            np.testing.assert_allclose(output[:length, sample], expected[:length], rtol=1e-10, atol=1e-12)
        else:
            np.testing.assert_allclose(output[sample], expected[length - 1], rtol=1e-10, atol=1e-12)


def test_tokens_are_embedded_times_the_root_of_the_width():
    model = disturbed(build(task="reverse"))
    x = torch.randint(0, 9, (T, B), generator=torch.Generator().manual_seed(0))
    expected = plain_transformer(model, x[:, 1].numpy(), first=True, causal=True, length=T)
    np.testing.assert_allclose(model(x)[0][:, 1].detach().numpy(), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("width", [1, 7, 8])
def test_sinusoids_are_those_of_the_formula(width):
    expected = [
        [(math.cos if i % 2 else math.sin)(t / 10000 ** (2 * (i // 2) / width)) for i in range(width)]
        for t in range(50)
    ]
    torch.testing.assert_close(sinusoids(50, width), torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-12)


def test_learned_positions_are_added_and_stop_at_the_longest_sequence():
    model = build("model.position=learned task.length=4")
    none = build("model.position=none task.length=4")
    assert model.position.weight.shape == (24, D)
    x = data(steps=24)
    assert not torch.allclose(model(x)[0], none(x)[0])
    with torch.no_grad():
        model.position.weight.zero_()
    torch.testing.assert_close(model(x)[0], none(x)[0], rtol=0, atol=0)


@pytest.mark.parametrize("task", ["temporal_order task.variant=hs97", "adding task.variant=hs97"])
def test_learned_positions_reach_over_sequences_of_varied_length(task):
    model = build("model.position=learned", "task.length=30", *task.split()[1:], task=task.split()[0])
    features = model.embedding.in_features
    assert model(data(features, steps=33), torch.tensor([33, 30, 31, 33]))[0].isfinite().all()


def test_without_positions_and_mask_it_does_not_know_the_order():
    x = data(2)
    shuffled = torch.cat([x[:-1][torch.randperm(T - 1, generator=torch.Generator().manual_seed(1))], x[-1:]])
    for position, causal, blind in (("none", "false", True), ("none", "true", False), ("sinusoidal", "false", False)):
        model = build(f"model.position={position} model.causal={causal}", task="adding")
        assert torch.allclose(model(x)[0], model(shuffled)[0], rtol=1e-10, atol=1e-12) == blind


# What every model promises


@pytest.mark.parametrize(
    ("task", "shape"),
    [
        ("adding", (B, 1)),
        ("temporal_order", (B, 4)),
        ("digits", (B, 10)),
        ("copy", (T, B, 9)),
        ("reverse", (T, B, 8)),
    ],
)
def test_output_has_the_shape_that_the_task_asks_for_and_there_is_no_state(task, shape):
    model = build(task=task)
    tokens = isinstance(model.embedding, torch.nn.Embedding)
    x = torch.zeros(T, B, dtype=torch.int64) if tokens else data(model.embedding.in_features)
    output, state = model(x)
    assert output.shape == shape
    assert state is None


def test_the_same_seed_gives_the_same_parameters_and_another_seed_others():
    words = "model.position=learned"
    first, again, other = (build(words, f"seed={seed}", task="reverse") for seed in (0, 0, 1))
    for (name, p), q, r in zip(first.named_parameters(), again.parameters(), other.parameters(), strict=True):
        assert torch.equal(p, q)
        assert "bias" in name or "norm" in name or not torch.equal(p, r), name


def test_no_two_tensors_start_alike_and_a_deeper_stack_begins_as_the_shallower():
    two, five = build("model.position=learned"), build("model.position=learned", "model.num_layers=5")
    deeper = dict(five.named_parameters())
    for name, p in two.named_parameters():
        assert torch.equal(p, deeper[name]), name
    matrices = [p for name, p in deeper.items() if p.dim() == 2 and "in_proj" not in name]
    matrices += [block for name, p in deeper.items() if "in_proj_weight" in name for block in p.chunk(3)]
    assert len({matrix[0, 0].item() for matrix in matrices}) == len(matrices)


def test_initial_values_are_glorots_each_of_query_key_and_value_on_its_own_and_the_stream_starts_at_one():
    model = build("model.hidden_size=64 model.dim_feedforward=256 task.symbols=100", task="reverse")
    layer = model.layers[1]
    blocks = [(block, 64 + 64) for block in layer.self_attn.in_proj_weight.chunk(3)]
    blocks += [(layer.self_attn.out_proj.weight, 64 + 64), (layer.linear1.weight, 64 + 256)]
    for weight, fans in [*blocks, (layer.linear2.weight, 64 + 256)]:
        bound = math.sqrt(6 / fans)
        assert 0.99 * bound < weight.abs().max() <= bound
        assert abs(weight.std() * math.sqrt(3) / bound - 1) < 5 / math.sqrt(weight.numel())
    for name, p in model.named_parameters():
        if name.endswith("bias"):
            assert not p.any(), name
        elif "norm" in name:
            assert (p == 1).all(), name
    scaled = model.embedding.weight * 8
    assert abs(scaled.std() - 1) < 5 / math.sqrt(scaled.numel())


def test_building_leaves_the_global_generator_alone():
    before = torch.random.get_rng_state()
    build("model.position=learned", "model.dropout=0.5")
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("position", ["sinusoidal", "learned", "none"])
@pytest.mark.parametrize("first", ["true", "false"])
def test_the_parameter_count_is_the_closed_formula(position, first):
    model = build(f"model.position={position} model.norm_first={first} model.num_layers=3 task.length=5")
    attention = 4 * (D * D + D)
    feed_forward = D * WIDTH + WIDTH + WIDTH * D + D
    expected = (10 + 1) * D + 3 * (attention + feed_forward + 4 * D) + (D + 1) * 9
    expected += 25 * D if position == "learned" else 0
    expected += 2 * D if first == "true" else 0
    assert sum(p.numel() for p in model.parameters()) == expected


@each_kind
def test_gradcheck_in_float64(kind):
    model = build(kind, "model.nonlinearity=gelu")
    x = data()[:4, :2].requires_grad_()
    assert torch.autograd.gradcheck(lambda x: model(x, torch.tensor([4, 2]))[0][:2], (x,))


@each_kind
def test_changing_x_t_never_changes_an_output_before_t_where_it_is_causal(kind):
    model, x = build(kind), data()
    changed = x.clone()
    changed[5] += torch.linspace(-1, 1, 10, dtype=torch.float64)
    same = (model(x)[0] == model(changed)[0]).flatten(1).all(1)
    assert same[:5].all() == ("causal=true" in kind)
    assert not same[5:].any()


@each_kind
@pytest.mark.parametrize("task", ["copy", "adding"])
def test_padding_has_no_influence_on_outputs_and_gradients(kind, task):
    model, x = build(kind, task=task), data(10 if task == "copy" else 2)

    def valid(x: torch.Tensor) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        output = model(x, LENGTHS)[0]
        kept = [output[:n, b] if task == "copy" else output[b] for b, n in enumerate(LENGTHS.tolist())]
        return kept, list(torch.autograd.grad(sum(o.square().sum() for o in kept), list(model.parameters())))

    kept, gradients = valid(x)
    for sample, length in enumerate(LENGTHS.tolist()):
        alone = model(x[:length, sample : sample + 1])[0]
        torch.testing.assert_close(kept[sample], alone[:, 0] if task == "copy" else alone[0], rtol=1e-10, atol=1e-12)
    other = x.clone()
    for sample, length in enumerate(LENGTHS.tolist()):
        other[length:, sample] = 99.0
    for found, expected in zip(valid(other), (kept, gradients), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


def test_saving_and_loading_changes_nothing():
    model, other = build("model.position=learned"), build("model.position=learned", "seed=7")
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(data())[0], model(data())[0])


def test_a_hundred_layers_build_and_the_gradient_reaches_the_first():
    model = build("model.num_layers=100")
    model(data())[0].square().sum().backward()
    norms = [layer.linear1.weight.grad.norm() for layer in model.layers]
    assert len(norms) == 100
    assert all(0 < norm < math.inf for norm in norms)


# Randomness and modes


def run(model, seed: int | None) -> torch.Tensor:
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    return model(data(), generator=generator)[0]


@each_kind
def test_dropout_is_decided_by_the_given_generator_and_leaves_the_global_one_alone(kind):
    model = build(kind, "model.dropout=0.5")
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = run(model, 5)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(first, run(model, 5))
    assert not torch.equal(first, run(model, 6))


def test_a_generator_goes_on_so_that_a_second_call_has_other_masks():
    model, generator = build("model.dropout=0.5"), torch.Generator().manual_seed(5)
    first, second = (model(data(), generator=generator)[0] for _ in range(2))
    assert not torch.equal(first, second)


def test_masks_are_those_that_torch_would_have_drawn_with_that_generator_as_its_own():
    model = build("model.dropout=0.3")
    mask = torch.full((T, T), -torch.inf, dtype=torch.float64).triu(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        stream = model._embed(data())
        stream = stream * torch.empty_like(stream).bernoulli_(0.7).div(0.7)
        for layer in model.layers:
            stream = layer.train()(stream, mask, is_causal=True)
        behind = torch.random.get_rng_state()
    generator = torch.Generator().manual_seed(5)
    assert torch.equal(model(data(), generator=generator)[0], model.readout(model.norm(stream)))
    assert torch.equal(generator.get_state(), behind)


@each_kind
def test_without_a_generator_dropout_is_off_whatever_the_mode_and_the_mode_stays(kind):
    model, without = build(kind, "model.dropout=0.5"), build(kind)
    model.layers[1].eval()
    for mode, generator in itertools.product((True, False), (None, 5)):
        model.train(mode).layers[1].eval()
        before = [module.training for module in model.modules()]
        output = run(model, generator)
        assert [module.training for module in model.modules()] == before
        assert torch.equal(output, run(without, None)) == (generator is None)


def test_modes_and_generator_are_put_back_when_a_call_is_broken_off():
    model = build("model.dropout=0.5").eval()
    before = torch.random.get_rng_state()

    def fail(module, args):
        torch.rand(1)
        raise KeyboardInterrupt

    model.layers[1].register_forward_pre_hook(fail)
    with pytest.raises(KeyboardInterrupt):
        run(model, 5)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not any(module.training for module in model.modules())


@each_kind
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_evaluation_is_the_arithmetic_of_training(kind, dropout):
    assert torch.backends.mha.get_fastpath_enabled()
    model, lengths = build(kind, f"model.dropout={dropout}").float(), None if "causal=true" in kind else LENGTHS
    x = data().float()
    trained = model.train()(x, lengths)[0]
    with torch.no_grad():
        assert torch.equal(trained, model.eval()(x, lengths)[0])
        assert torch.equal(trained, model.train()(x, lengths)[0])


# Gradients


@each_kind
@pytest.mark.parametrize("task", ["copy", "adding"])
def test_the_probed_gradient_is_the_finite_difference_of_the_residual_stream(kind, task):
    model, x = disturbed(build(kind, task=task)), data(10 if task == "copy" else 2)[:, :3]
    lengths = LENGTHS[:3]
    weight = torch.linspace(-1, 2, 9 if task == "copy" else 1, dtype=torch.float64)

    def loss() -> torch.Tensor:
        output = model(x, lengths)[0]
        if task == "copy":
            valid_TB = torch.arange(T)[:, None] < lengths
            return ((output.square() * weight).sum(-1) * valid_TB).sum()
        return (output.square() * weight).sum()

    outputs = {place.name: place.layout for place in model.probe_points}
    with TimestepProbe(model, vectors=True, outputs=outputs) as probe:
        loss().backward()
    for place in model.probe_points:
        found = probe[place.name].vectors["h"][0][0]
        expected = finite_differences(model.get_submodule(place.name), loss, found.shape)
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)
        assert (found[lengths[1] :, 1] == 0).all()  # nothing comes from the padding


def finite_differences(module: torch.nn.Module, loss, shape: torch.Size, eps: float = 1e-5) -> torch.Tensor:
    """d loss / d(output of module) by central differences, one element at a time."""
    change = torch.zeros(shape, dtype=torch.float64)
    gradient = torch.zeros_like(change)
    handle = module.register_forward_hook(lambda module, args, output: output + change)
    with torch.no_grad():
        for index in itertools.product(*map(range, shape)):
            for sign in (1, -1):
                change[index] = sign * eps
                gradient[index] += sign * loss() / (2 * eps)
            change[index] = 0.0
    handle.remove()
    return gradient


def test_places_are_its_layers_in_order():
    model = build("model.num_layers=3")
    assert [(p.name, p.place.part, p.place.layer, p.layout) for p in model.probe_points] == [
        (f"layers.{k}", "transformer", k, "TBD") for k in range(3)
    ]
    assert all(
        model.get_submodule(place.name) is layer for place, layer in zip(model.probe_points, model.layers, strict=True)
    )


# As a user meets it


@pytest.mark.parametrize(
    "task", ["task=lm task.bptt=8 task.corpus={text}", "task=adding task.variant=hs97 task.length=22"]
)
def test_a_run_records_the_stream_of_every_layer(task, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("the quick brown fox jumps over the lazy dog\n" * 20)
    small = [
        *SMALL,
        "model=transformer",
        "model.dropout=0.1",
        "steps=2",
        "batch_size=4",
        "eval.size=8",
        "probe.every=1",
    ]
    found = seqablate.train([*small, *task.format(text=text).split(), f"output_dir={tmp_path / 'runs'}"])
    assert found.status == "done"
    signals = found.signals
    assert set(signals["part"]) == {"transformer"}
    assert set(signals["quantity"]) == {"total", "layer", "lag"}
    timestep = signals[(signals["quantity"] == "total") & (signals["step"] == 0)]
    assert set(timestep["layer"]) == set(range(LAYERS))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("model.hidden_size=10 model.num_heads=4", "model.hidden_size=10: must be a multiple of model.num_heads=4"),
        ("model.num_layers=0", "model.num_layers=0: must be at least 1"),
        ("model.num_heads=0", "model.num_heads=0: must be at least 1"),
        ("model.dim_feedforward=0", "model.dim_feedforward=0: must be at least 1"),
        ("model.dropout=1", "model.dropout=1.0: must be at least 0 and below 1"),
        ("model.position=rotary", "model.position=rotary: .*sinusoidal, learned, none"),
        ("model.nonlinearity=tanh", "model.nonlinearity=tanh: .*relu, gelu"),
        ("model.skip=residual", "model.skip"),
        ("task=lm model.causal=false", "model.causal=false cannot be .* use model.causal=true or another task"),
        ("task=reverse model.causal=false", "model.causal=false cannot be .* use model.causal=true or another task"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(words, message):
    with pytest.raises(UsageError, match=message) as refusal:
        compose_config(["model=transformer", *words.split()])
    assert "\n" not in str(refusal.value)
