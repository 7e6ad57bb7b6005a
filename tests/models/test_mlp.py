"""model=mlp: all timesteps at once. Shapes: T time, B batch, I input."""

from __future__ import annotations

import pytest
import torch

from seqablate.assemble import build_model, build_task
from seqablate.config.compose import compose_config
from seqablate.errors import UsageError


def build(*words: str):
    config = compose_config(["model=mlp", "model.hidden_size=8", *words])
    return build_model(config, build_task(config)).double()


@pytest.mark.parametrize(
    ("task", "given", "answers"),
    [("task=adding", (100, 3, 2), 1), ("task=digits", (64, 3, 1), 10), ("task=temporal_order", (100, 3, 6), 4)],
)
def test_output_has_the_shape_that_the_task_asks_for(task, given, answers):
    assert build(task, "task.length=100" if "digits" not in task else "seed=0")(torch.rand(given, dtype=torch.float64))[
        0
    ].shape == (3, answers)


def test_timesteps_stand_side_by_side_each_with_its_features():
    """A first layer that reads one weight alone says which input that weight belongs to."""
    net = build("task=adding", "task.length=10", "model.depth=1", "model.nonlinearity=tanh")
    x_TBI = torch.rand(10, 3, 2, dtype=torch.float64)
    first = net.stack.layers[0]
    with torch.no_grad():
        first.weight.zero_()
        first.bias.zero_()
        first.weight[0, 4 * 2 + 1] = 1.0  # timestep 4, feature 1
        net.readout.weight.zero_()
        net.readout.weight[0, 0] = 1.0
    torch.testing.assert_close(net(x_TBI)[0][:, 0] - net.readout.bias, x_TBI[4, :, 1].tanh())


def test_every_timestep_reaches_the_answer():
    net, x_TBI = build("task=adding", "task.length=30"), torch.rand(30, 1, 2, dtype=torch.float64, requires_grad=True)
    net(x_TBI)[0].sum().backward()
    assert x_TBI.grad is not None
    assert (x_TBI.grad != 0).any(-1).all()


def test_the_parameter_count_with_widths_of_its_own_is_the_closed_formula():
    widths = [7, 3, 5]
    plain = build("task=digits", "model.hidden_sizes=[7,3,5]")
    dense = build("task=digits", "model.hidden_sizes=[7,3,5]", "model.skip=dense")
    assert [layer.out_features for layer in plain.stack.layers] == widths
    assert sum(p.numel() for p in plain.parameters()) == 65 * 7 + 8 * 3 + 4 * 5 + 6 * 10
    assert sum(p.numel() for p in dense.parameters()) == 65 * 7 + 8 * 3 + 11 * 5 + 16 * 10


def test_two_hundred_layers_are_a_net_like_any_other():
    net = build("task=digits", "model.depth=200", "model.skip=highway")
    output = net(torch.rand(64, 2, 1, dtype=torch.float64))[0]
    output.sum().backward()
    assert torch.isfinite(output).all()
    assert len(net.probe_points) == 200


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("task=lm", "model=mlp reads real numbers, not token ids: use model=tcn or a recurrent model"),
        ("task=reverse", "model=mlp reads real numbers, not token ids: use model=tcn or a recurrent model"),
        ("task=copy", "model=mlp answers once, after the whole input, and the task asks at every timestep: "
         "use model=tcn or a recurrent model"),
        ("task=adding task.variant=hs97", "model=mlp has a weight for every timestep and needs sequences of one "
         "length, which this task has not: use another task, or another variant of it"),
        ("model.hidden_sizes=[8,8,4] model.skip=residual", "model.skip=residual combines a layer's input with its "
         "output and needs layers of one width, not model.hidden_sizes=[8, 8, 4]: make them equal, or use "
         "model.skip=dense, which joins them side by side"),
        ("model.hidden_sizes=[]", "model.hidden_sizes=[]: needs at least one width, such as [64,32]"),
        ("model.hidden_sizes=[8,0]", "model.hidden_sizes=[8, 0]: every width must be at least 1"),
        ("model.depth=-1", "model.depth=-1: must be at least 1"),
        ("model.hidden_sizes=[8,8] model.match_params=1000", "model.match_params chooses model.hidden_size: leave "
         "model.hidden_sizes out"),
    ],
)  # fmt: skip
def test_what_it_cannot_do_is_refused_in_one_line(words, message):
    with pytest.raises(UsageError) as refusal:
        compose_config(["model=mlp", *words.split()])
    assert str(refusal.value) == message
