"""Every model, the same promises: pairwise over the matrix of architectures, the whole of it with ``-m slow``."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
import torch
from architectures import (
    CHOSEN,
    KINDS,
    LISTED,
    OTHERS,
    POSSIBLE,
    REFUSED_CHOSEN,
    REFUSED_OTHERS,
    B,
    Case,
    D,
    T,
    kind_of,
)
from torch import Tensor, nn

from seqablate.assemble import build_model, build_task
from seqablate.config.compose import compose_config
from seqablate.config.registry import variants
from seqablate.config.schema import TrainConfig
from seqablate.config.task_spec import TaskTraits
from seqablate.engine.recurrence import Recurrence
from seqablate.errors import UsageError
from seqablate.probe import TimestepProbe

each_case = pytest.mark.parametrize(
    "case", [*CHOSEN, *(pytest.param(case, marks=pytest.mark.slow) for case in OTHERS)], ids=str
)
each_refused = pytest.mark.parametrize(
    "case", [*REFUSED_CHOSEN, *(pytest.param(case, marks=pytest.mark.slow) for case in REFUSED_OTHERS)], ids=str
)
GATES = {"rnn": 1, "lstm": 4, "gru": 3, "mgu": 2, "lstm-nfg": 3, "lstm-cifg": 3, "gru-norm": 3}


@cache
def compose(case: Case, more: tuple[str, ...] = (), task: str | None = None) -> TrainConfig:
    return compose_config([*case.on(task or case.kind.task), *more])


def build(case: Case, *more: str, task: str | None = None) -> nn.Module:
    config = compose(case, more, task)
    return build_model(config, build_task(config)).double()


def spec_of(case: Case) -> TaskTraits:
    return compose(case).task.traits


def data(case: Case, seed: int = 0) -> Tensor:
    """An input of the case's task: of its own length where the model wants that, else of T."""
    generator = torch.Generator().manual_seed(seed)
    traits = spec_of(case)
    if traits.tokens:
        return torch.randint(0, 5, (traits.length, B), generator=generator)
    steps = traits.length if not case.kind.padded else T
    features = {"copy": 10, "adding": 2, "digits": 1}[case.kind.task.split()[0].removeprefix("task=")]
    return torch.randn(steps, B, features, dtype=torch.float64, generator=generator)


def loss_of(output: Tensor) -> Tensor:
    """One number that depends on every output, each differently."""
    return (output.flatten() * torch.linspace(-1, 1, output.numel(), dtype=output.dtype)).sin().sum()


def test_every_model_is_in_the_matrix():
    assert {kind.words.split()[0] for kind in KINDS.values()} == {f"model={name}" for name in variants("model")}
    assert {case.name for case in CHOSEN} == set(KINDS)


@pytest.mark.parametrize("name", [name for name, kind in LISTED.items() if not kind.variant])
def test_what_a_model_is_can_be_told_from_its_keys_and_the_tasks_that_it_accepts(name):
    assert replace(kind_of(name), words=LISTED[name].words) == LISTED[name]


@each_refused
def test_what_cannot_be_built_is_refused_in_one_line(case):
    with pytest.raises(UsageError) as refusal:
        compose_config(case.words)
    assert case.refusal in str(refusal.value)
    assert "\n" not in str(refusal.value)


@each_case
def test_output_has_the_shape_that_the_task_asks_for(case):
    outputs = {"copy": (T, B, 9), "adding": (B, 1), "digits": (B, 10), "reverse": (4, B, 5)}
    assert build(case)(data(case))[0].shape == outputs[case.kind.task.split()[0].removeprefix("task=")]
    if case.kind.padded:
        last = build(case, task="task=adding task.length=10")
        assert last(torch.randn(T, B, 2, dtype=torch.float64))[0].shape == (B, 1)


@each_case
def test_the_same_seed_gives_the_same_parameters_and_another_seed_others(case):
    first, again, other = build(case), build(case), build(case, "seed=1")
    for (name, p), q, r in zip(first.named_parameters(), again.parameters(), other.parameters(), strict=True):
        assert torch.equal(p, q), name
        assert p.dim() == 1 or not torch.equal(p, r), name  # biases and norms are the same for every seed


@each_case
def test_no_initial_value_and_no_output_comes_from_the_global_generator(case):
    before = torch.random.get_rng_state()
    model = build(case)
    output = model(data(case), generator=torch.Generator().manual_seed(0))[0]
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(1)
    again = build(case)
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), again.parameters(), strict=True))
    assert torch.equal(again(data(case), generator=torch.Generator().manual_seed(0))[0], output)


@each_case
def test_a_deeper_stack_begins_as_the_shallower_one(case):
    deeper = Case(case.name, case.skip, case.bidirectional, case.layers + 1)
    parameters = dict(build(deeper).named_parameters())
    for name, p in build(case).named_parameters():
        if name in parameters and p.shape == parameters[name].shape:
            assert torch.equal(p, parameters[name]), name


@each_case
def test_gradcheck_in_float64(case):
    model, x = build(case), data(case)
    if x.is_floating_point():
        x = x[:4] if case.kind.padded else x[:, :1]
        assert torch.autograd.gradcheck(lambda x: model(x)[0], (x.requires_grad_(),), fast_mode=True)
        return
    name, table = next((n, p) for n, p in model.named_parameters() if "embedding" in n)
    call = torch.func.functional_call
    assert torch.autograd.gradcheck(lambda p: call(model, {name: p}, (x,))[0], (table,), fast_mode=True)


@pytest.mark.parametrize("case", [c for c in POSSIBLE if c.kind.causal and c in CHOSEN], ids=str)
def test_changing_x_t_never_changes_an_output_before_t_unless_bidirectional(case):
    model, x = build(case), data(case)
    source = spec_of(case).source_steps
    first = 0 if source is None else source  # outputs begin with the target, and all of them see the source
    t = 5 if source is None else source + 2
    changed = x.clone()
    changed[t] = changed[t] + 1 if x.is_floating_point() else (changed[t] + 1) % 5
    same = (model(x)[0] == model(changed)[0]).flatten(1).all(1)
    sees_future = case.bidirectional and source is None
    assert same[: t - first].all() == (not sees_future)
    assert not same[t - first]


@each_case
@pytest.mark.parametrize("last_only", [False, True])
def test_padding_has_no_influence(case, last_only):
    if not case.kind.padded:
        assert spec_of(case).length is not None  # sequences of one length: nothing is ever padded
        return
    model = build(case, task="task=temporal_order task.variant=hs97 task.length=10" if last_only else None)
    x = torch.randn(T, 4, 8 if last_only else 10, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor([9, 4, 7, 1])
    output = model(x, lengths)[0]
    for sample, length in enumerate(lengths):
        alone = model(x[:length, sample : sample + 1])[0]
        padded, alone = (output[sample], alone[0]) if last_only else (output[:length, sample], alone[:, 0])
        torch.testing.assert_close(padded, alone, rtol=1e-10, atol=1e-12)
    x[4:, 1] = 99.0  # what stands in the padding does not matter either
    again = model(x, lengths)[0]
    pair = (again[1], output[1]) if last_only else (again[:4, 1], output[:4, 1])
    torch.testing.assert_close(*pair, rtol=1e-12, atol=1e-12)


@each_case
def test_the_parameter_count_is_the_closed_formula(case):
    if case.name not in LISTED:
        pytest.skip("no formula of this model stands here")
    assert sum(p.numel() for p in build(case).parameters()) == count(case)


def count(case: Case) -> int:
    """Parameters, from the papers' formulas."""
    if case.name == "transformer":
        F = 6
        layer = 4 * (D * D + D) + (2 * D * F + F + D) + 4 * D
        return (10 * D + D) + case.layers * layer + 2 * D + (9 * D + 9)
    if case.name == "t5":
        F, heads, buckets = 6, 2, 32
        layer = 4 * D * D + 2 * D * F + 2 * D
        return 6 * D + case.layers * (2 * layer + 4 * D * D + D) + 2 * (buckets * heads + D)
    if case.name.startswith("seq2seq"):
        width = 2 * D if case.bidirectional else D
        source = recurrent(3, D, case)
        target = recurrent(3, D, Case(case.name, case.skip, False, case.layers))
        top = stream(case, width)
        decoder_top = stream(case, D)
        bridge = case.layers * (width * D + D) if case.bidirectional else 0
        dot = 0 if top == decoder_top else top * decoder_top
        additive = decoder_top * (decoder_top + top + 1)
        score = {"seq2seq": 0, "seq2seq-dot": dot, "seq2seq-additive": additive}
        readout = (top + decoder_top) * D + D + (D * 5 + 5)
        return 2 * 6 * D + source + target + bridge + score[case.name] + readout
    if case.name in GATES:
        width = 2 * D if case.bidirectional else D
        norm = case.layers * 2 * width if case.name == "gru-norm" else 0
        return recurrent(GATES[case.name], 10, case) + norm + (stream(case, width) + 1) * 9
    inputs, kernel, outputs = {"tcn": (10, 2, 9), "mlp": (20, 1, 1), "cnn": (1, 9, 10)}[case.name]
    layers = sum(D * kernel * i + D for i in reads(case, inputs, D))
    return layers + gates(case, D) + (stream(case, D) + 1) * outputs


def recurrent(blocks: int, input_size: int, case: Case) -> int:
    ways, width = (2, 2 * D) if case.bidirectional else (1, D)
    return gates(case, width) + sum(ways * blocks * D * (i + D + 2) for i in reads(case, input_size, width))


def reads(case: Case, input_size: int, width: int) -> list[int]:
    """Features that each layer reads."""
    return [input_size] + [width * (k if case.skip == "dense" else 1) for k in range(1, case.layers)]


def stream(case: Case, width: int) -> int:
    """Features above the last layer."""
    return width * (case.layers if case.skip == "dense" else 1)


def gates(case: Case, width: int) -> int:
    return (case.layers - 1) * (width + 1) * width if case.skip == "highway" else 0


@each_case
def test_saving_and_loading_changes_nothing(case, tmp_path):
    model, other = build(case), build(case, "seed=7")
    torch.save(model.state_dict(), tmp_path / "model.pt")
    other.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))
    assert torch.equal(other(data(case))[0], model(data(case))[0])


@pytest.mark.parametrize("case", [c for c in CHOSEN if c.name in GATES and not c.bidirectional], ids=str)
def test_a_carried_state_goes_on_where_the_first_half_ended(case):
    model, x = build(case), data(case)
    whole, _ = model(x)
    first, state = model(x[:4])
    second, _ = model(x[4:], None, state)
    torch.testing.assert_close(torch.cat([first, second]), whole, rtol=1e-10, atol=1e-12)


@each_case
def test_every_place_is_where_it_says_and_no_two_are_the_same(case):
    model = build(case)
    assert len({p.place for p in model.probe_points}) == len(model.probe_points)
    layers = {point.place.layer for point in model.probe_points}
    assert layers == set(range(case.layers))
    for place in model.probe_points:
        assert (place.layout is None) == isinstance(model.get_submodule(place.name), Recurrence)


@each_case
def test_the_probe_measures_what_finite_differences_do(case):
    """Shift what a place gives at one timestep and sample by a little; the loss changes by the gradient times that."""
    model, x = build(case), data(case)
    outputs = {p.name: p.layout for p in model.probe_points if p.layout}
    with TimestepProbe(model, vectors=True, outputs=outputs) as probe:
        loss_of(model(x)[0]).backward()
    generator = torch.Generator().manual_seed(3)
    for place in model.probe_points:
        found = probe[place.name].vectors["h"][0][0]
        t, b = (3 if place.timed else 0), 1
        nudge = torch.randn(found.shape[2:], dtype=torch.float64, generator=generator)
        up, down = (loss_when_nudged(model, x, place, t, b, sign * 1e-6 * nudge) for sign in (1, -1))
        expected = (up - down) / 2e-6
        torch.testing.assert_close((found[t, b] * nudge).sum(), expected, rtol=2e-6, atol=1e-8, msg=place.name)
        norm = probe[place.name].total["h"][0, 0, t, b]
        torch.testing.assert_close(norm, found[t, b].norm(), rtol=1e-12, atol=0)


@torch.no_grad()
def loss_when_nudged(model: nn.Module, x: Tensor, place, t: int, b: int, nudge: Tensor) -> Tensor:
    """The loss with ``nudge`` added to one sample's state at one timestep."""
    module = model.get_submodule(place.name)
    if place.layout is None:
        handle = module.register_forward_hook(lambda m, args, out: nudged_recurrence(m, args, t, b, nudge))
    else:
        handle = module.register_forward_hook(lambda m, args, out: nudged_output(out, place.layout, t, b, nudge))
    try:
        return loss_of(model(x)[0])
    finally:
        handle.remove()


def nudged_recurrence(module: Recurrence, args: tuple, t: int, b: int, nudge: Tensor):
    """The recurrence made in two pieces, h_t shifted in between."""
    x, state = args[0], args[1] if len(args) > 1 else None
    first, (h, *others) = module.forward(x[: t + 1], state)
    h = h.clone()
    h[b] += nudge
    second, final = (
        module.forward(x[t + 1 :], (h, *others)) if t + 1 < len(x) else (x.new_zeros(0, *h.shape), (h, *others))
    )
    return torch.cat([first[:-1], h[None], second]), final


def nudged_output(output: Tensor, layout: str, t: int, b: int, nudge: Tensor) -> Tensor:
    shifted = output.clone()
    index: list = [slice(None)] * output.dim()
    index[layout.index("B")] = b
    if "T" in layout:
        index[layout.index("T")] = t
    shifted[tuple(index)] += nudge.view_as(shifted[tuple(index)])
    return shifted


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_weights_go_into_the_torch_module_of_that_shape_and_back(name, layers, bidirectional):
    case = Case(name, "none", bidirectional, layers)
    model, x = build(case), data(case)
    module = model.stack.to_torch()
    expected = model.readout(module(x)[0])
    torch.testing.assert_close(model(x)[0], expected, rtol=1e-10, atol=1e-12)
    other = build(case, "seed=7")
    other.stack.load_torch(module)
    other.readout.load_state_dict(model.readout.state_dict())
    assert torch.equal(other(x)[0], model(x)[0])


@pytest.mark.parametrize("case", [Case("mgu", "none", False, 1), Case("gru", "residual", False, 3)], ids=str)
def test_a_model_that_torch_does_not_have_says_so(case):
    stack = build(case).stack
    with pytest.raises(ValueError, match="torch has no module of"):
        stack.to_torch()
    with pytest.raises(ValueError, match="torch has no module of"):
        stack.load_torch(torch.nn.LSTM(10, D))


def test_a_module_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="this stack has the shape of"):
        build(Case("lstm", "none", False, 1)).stack.load_torch(torch.nn.LSTM(10, D + 1))
    with pytest.raises(ValueError, match="this stack has the shape of"):
        build(Case("rnn", "none", False, 1)).stack.load_torch(torch.nn.RNN(10, D, nonlinearity="relu"))
