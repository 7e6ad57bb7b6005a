"""model=tcn: causal, dilated convolutions. Shapes: T time, B batch, I input, D channels, K kernel, V vocabulary."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import pytest
import torch

from seqablate.assemble import build_model, build_task
from seqablate.config.compose import compose_config
from seqablate.config.schema import TrainConfig
from seqablate.errors import UsageError
from seqablate.models.choices import Norm, Skip

T, B = 24, 4
SMALL = ("model.hidden_size=6", "model.num_layers=3", "model.nonlinearity=tanh")
INPUTS = {"adding": 2, "copy task.length=4": 10, "digits": 1}
KINDS = [(Skip.none, Norm.none), (Skip.residual, Norm.none), (Skip.dense, Norm.layer), (Skip.highway, Norm.layer)]
each_kind = pytest.mark.parametrize(("skip", "norm"), KINDS)
each_loss = pytest.mark.parametrize("task", ["adding", "copy task.length=4"])  # at the last step, at every step


@cache
def configure(words: str = "") -> TrainConfig:
    return compose_config(["model=tcn", *SMALL, *words.split()])


def build(task: str, **changes):
    """A model with other values of its config than the small one's."""
    config, task_config = configure(), configure(f"task={task}").task
    spec = task_config.traits.sized(INPUTS[task], 9 if "copy" in task else 10)
    return replace(config.model, **changes).build(seed=0, task=spec).double()


def data(features: int = 10) -> torch.Tensor:
    return torch.randn(T, B, features, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("the quick brown fox jumps over the lazy dog\n" * 200)
    return f"task=lm task.corpus={path} task.bptt={T}"


@pytest.mark.parametrize(("task", "features", "shape"), [
    ("adding", 2, (B, 1)), ("copy task.length=4", 10, (T, B, 9)), ("digits", 1, (B, 10)),
])  # fmt: skip
def test_output_has_the_shape_that_the_task_asks_for(task, features, shape):
    config = configure(f"task={task}")
    assert build_model(config, build_task(config)).double()(data(features))[0].shape == shape


def test_token_ids_are_embedded(text):
    for task in (text, "task=reverse"):
        config = configure(task)
        built = build_task(config)
        net, batch = build_model(config, built), built.train_batch(0)
        output = net(torch.from_numpy(batch.x))[0]
        assert output.shape == (*batch.x.shape, built.spec.output_size)
        assert net.embedding.weight.shape == (built.spec.input_size, 6)


def test_a_layer_is_the_sum_over_its_dilated_past():
    net, x_TBI = build("copy task.length=4", kernel_size=4, dilation=3), data()
    seen = []
    for layer in net.stack.layers:
        layer.register_forward_hook(lambda module, given, output: seen.append((module, given[0], output)))
    net(x_TBI)
    for number, (layer, read_BIT, made_BDT) in enumerate(seen):
        for t in range(T):
            expected_BD = layer.bias.expand(B, -1).clone()
            for back in range(4):
                if (at := t - back * 3**number) >= 0:
                    expected_BD += read_BIT[:, :, at] @ layer.weight[:, :, 3 - back].T
            torch.testing.assert_close(made_BDT[:, :, t], expected_BD, rtol=1e-11, atol=1e-12)


@each_kind
def test_changing_x_t_never_changes_an_output_before_t(skip, norm):
    net, x = build("copy task.length=4", skip=skip, norm=norm), data()
    changed = x.clone()
    changed[9] += 1.0
    same_T = (net(x)[0] == net(changed)[0]).flatten(1).all(1)
    assert same_T[:9].all()
    assert not same_T[9]


@each_kind
@pytest.mark.parametrize(("kernel", "dilation", "field"), [(2, 1, 4), (3, 1, 7), (2, 2, 8), (3, 2, 15), (4, 2, 22)])
def test_an_output_sees_its_receptive_field_and_nothing_before_it(skip, norm, kernel, dilation, field):
    sizes = {"kernel_size": kernel, "dilation": dilation}
    assert replace(configure().model, **sizes).receptive_field == field
    x = data(2).requires_grad_()
    build("adding", skip=skip, norm=norm, **sizes)(x)[0].sum().backward()
    assert x.grad is not None
    reached_T = (x.grad != 0).flatten(1).any(1)
    assert reached_T.tolist() == [False] * (T - field) + [True] * field


@each_kind
@each_loss
def test_padding_has_no_influence(skip, norm, task):
    net, x = build(task, skip=skip, norm=norm), data(INPUTS[task])
    lengths = torch.tensor([24, 4, 17, 1])
    output = net(x, lengths)[0]
    for sample, length in enumerate(lengths):
        alone = net(x[:length, sample : sample + 1])[0]
        padded = output[:length, sample] if "copy" in task else output[sample]
        torch.testing.assert_close(padded, alone[:, 0] if "copy" in task else alone[0], rtol=1e-10, atol=1e-12)
    x[4:, 1] = 99.0
    again = net(x, lengths)[0]
    assert torch.equal(again[:4, 1], output[:4, 1]) if "copy" in task else torch.equal(again[1], output[1])


def test_it_learns_to_say_what_it_saw_two_steps_ago():
    """A delay of two steps is one kernel tap: a few updates find it."""
    net, generator = build("copy task.length=4").float(), torch.Generator().manual_seed(1)
    optimizer, losses = torch.optim.Adam(net.parameters(), lr=0.01), []
    for _ in range(120):
        x = torch.randint(9, (T, 16), generator=generator)
        output = net(torch.nn.functional.one_hot(x, 10).float())[0]
        loss = torch.nn.functional.cross_entropy(output[2:].flatten(0, 1), x[:-2].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 0.8 * math.log(9)
    assert losses[-1] < 0.1 * math.log(9)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("model.kernel_size=1", "model.kernel_size=1: must be at least 2"),
        ("model.dilation=0", "model.dilation=0: must be at least 1"),
        ("model.num_layers=7 task.length=64", "model.dilation=2 (64 steps in the last layer) reaches back over "
         "all 64 timesteps of the task: use a smaller one, or a longer task"),
    ],
)  # fmt: skip
def test_what_it_cannot_do_is_refused_in_one_line(words, message):
    with pytest.raises(UsageError) as refusal:
        configure(words)
    assert str(refusal.value) == message
    configure("model.num_layers=6 task.length=64")
