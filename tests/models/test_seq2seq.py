"""The encoder-decoder is torch's cells in plain loops, and its gradients are theirs, at every encoder timestep."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn

import seqablate
from seqablate.assemble import assemble, build_model, build_task, read_overrides
from seqablate.cli.show import main as show
from seqablate.errors import UsageError
from seqablate.models.recurrent.stack import RecurrentStack
from seqablate.probe import TimestepProbe
from seqablate.streams import stream
from seqablate.training.diagnose import look_at

N, SYMBOLS, B, D = 5, 3, 4, 3
V = SYMBOLS + 1  # the delimiter is the last
GATES = {"rnn": 1, "gru": 3, "lstm": 4}
CELLS = {"rnn": nn.RNNCell, "gru": nn.GRUCell, "lstm": nn.LSTMCell}
ATTENTIONS = ("none", "additive", "dot")
ARMS = list(itertools.product(GATES, ATTENTIONS, (False, True), (1, 3)))
each_arm = pytest.mark.parametrize(("cell", "attention", "bidirectional", "layers"), ARMS)
each_attention = pytest.mark.parametrize("attention", ATTENTIONS)
SMALL = ["task=reverse", f"task.length={N}", f"task.symbols={SYMBOLS}", "model=seq2seq", f"model.hidden_size={D}"]


def words(*more: str, **model) -> list[str]:
    return [*SMALL, *(f"model.{key}={str(value).lower()}" for key, value in model.items()), *more]


def build(*more: str, **model) -> nn.Module:
    config = read_overrides(words("dtype=float64", *more, **model))
    return build_model(config, build_task(config))


def shake(model: nn.Module) -> nn.Module:
    """The same with every parameter, biases too, somewhere else: nothing hides behind a zero."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in model.parameters():
            p.uniform_(-0.8, 0.8, generator=generator)
    return model


def data(steps: int = N, batch: int = B) -> Tensor:
    return torch.from_numpy(stream(0, "test").integers(0, V, (N + steps, batch)))


class Loop:
    """One float64 step at a time, one sum at a time; ``h[part, layer, direction][t]`` are the states in real time."""

    def __init__(self, model: nn.Module, cell: str, attention: str, bidirectional: bool, layers: int) -> None:
        self.values = {name: p.detach() for name, p in model.named_parameters()}
        self.cell, self.attention, self.layers = cell, attention, layers
        self.directions = ("forward", "reverse")[: 1 + bidirectional]
        self.h: dict[tuple[str, int, str], list[Tensor]] = {}

    def output(self, x: Tensor) -> Tensor:
        """[S, B, O]."""
        v = self.values
        source, finals = [v["source_embedding.weight"][t] for t in x[:N]], []
        for layer in range(self.layers):
            ways = {}
            for direction in self.directions:
                ordered = source[::-1] if direction == "reverse" else source
                h, final = self.run("encoder", layer, direction, ordered, None)
                ways[direction] = h[::-1] if direction == "reverse" else h
                self.h["encoder", layer, direction] = ways[direction]
                finals.append(final)
            source = [torch.cat(both, -1) for both in zip(*ways.values(), strict=True)]
        summary = torch.cat([ways[d][0 if d == "reverse" else -1] for d in self.directions], -1)
        target = [v["target_embedding.weight"][t] for t in x[N:]]
        for layer in range(self.layers):
            target, _ = self.run("decoder", layer, "forward", target, self.first_state(layer, finals))
            self.h["decoder", layer, "forward"] = target
        return torch.stack([self.answer(s, source, summary) for s in target])

    def run(self, part, layer, direction, inputs, state):
        prefix = f"{part}.layers.{layer}.{direction}_cell."
        cell = CELLS[self.cell](inputs[0].shape[1], D).double()
        cell.load_state_dict({k.removeprefix(prefix): p for k, p in self.values.items() if k.startswith(prefix)})
        outputs = []
        for x in inputs:
            state = cell(x, state)
            outputs.append(state[0] if self.cell == "lstm" else state)
            outputs[-1].retain_grad()
        return outputs, state

    def first_state(self, layer: int, finals: list):
        if len(self.directions) == 1:
            return finals[layer]
        ahead, back = finals[2 * layer : 2 * layer + 2]
        if self.cell != "lstm":
            return torch.tanh(self.joined(layer, "h", ahead, back))
        return torch.tanh(self.joined(layer, "h", ahead[0], back[0])), self.joined(layer, "c", ahead[1], back[1])

    def joined(self, layer: int, state: str, ahead: Tensor, back: Tensor) -> Tensor:
        prefix = f"bridge.joins.{layer}.linears.{state}."
        w, b = self.values[prefix + "weight"], self.values[prefix + "bias"]
        return ahead @ w[:, :D].T + back @ w[:, D:].T + b

    def answer(self, s: Tensor, source: list[Tensor], summary: Tensor) -> Tensor:
        v, context = self.values, summary
        if self.attention != "none":
            scores = [torch.exp(self.score(s, h)) for h in source]
            context = sum(e[:, None] * h for e, h in zip(scores, source, strict=True)) / sum(scores)[:, None]
        mixed = torch.tanh(torch.cat([context, s], -1) @ v["combine.weight"].T + v["combine.bias"])
        return mixed @ v["readout.weight"].T + v["readout.bias"]

    def score(self, s: Tensor, h: Tensor) -> Tensor:
        v = self.values
        if self.attention == "additive":
            return torch.tanh(s @ v["score.query.weight"].T + h @ v["score.key.weight"].T) @ v["score.energy.weight"][0]
        return (s * (h @ v["score.key.weight"].T if len(self.directions) == 2 else h)).sum(-1)


@each_arm
def test_outputs_and_the_gradient_at_every_timestep_are_those_of_a_plain_loop(cell, attention, bidirectional, layers):
    model = shake(build(cell=cell, attention=attention, bidirectional=bidirectional, num_layers=layers))
    x, weights = data(), torch.randn(N, B, SYMBOLS, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    loop = Loop(model, cell, attention, bidirectional, layers)
    expected = loop.output(x)
    (expected * weights).sum().backward()
    with TimestepProbe(model) as probe:
        output, state = model(x)
        (output * weights).sum().backward()
    assert state is None
    torch.testing.assert_close(output, expected, rtol=1e-10, atol=1e-12)
    assert {(p.place.part, p.place.layer, p.place.direction) for p in model.probe_points} == set(loop.h)
    for point in model.probe_points:
        found_TB = probe[point.name].total["h"][0, 0]
        at = point.place
        wanted_TB = torch.stack([h.grad.norm(dim=-1) for h in loop.h[at.part, at.layer, at.direction]])
        wanted_TB = wanted_TB.flip(0) if at.direction == "reverse" else wanted_TB
        torch.testing.assert_close(found_TB, wanted_TB, rtol=1e-9, atol=1e-14)


@each_arm
def test_pair_signals_are_the_gradients_of_one_loss_step_each(cell, attention, bidirectional, layers):
    model = {"cell": cell, "attention": attention, "bidirectional": bidirectional, "num_layers": layers}
    parts = assemble(read_overrides(words("dtype=float64", "device=cpu", "eval.size=6", "diagnostic=pairs", **model)))
    shake(parts.model)
    found = look_at(parts, 7, evaluating=True)
    batch = next(parts.task.eval_batches("evaluation"))
    x, y = torch.from_numpy(batch.x), torch.from_numpy(batch.y)
    for s in range(N):
        loop = Loop(parts.model, cell, attention, bidirectional, layers)
        nn.functional.cross_entropy(loop.output(x)[s], y[s], reduction="sum").backward()
        for signal in found:
            wanted = [h.grad.norm(dim=-1).mean().item() for h in loop.h["encoder", layers - 1, signal.place.direction]]
            np.testing.assert_allclose(signal.values[:, s], wanted, rtol=1e-9)
    assert [signal.place.direction for signal in found] == ["forward", "reverse"][: 1 + bidirectional]
    for signal in found:
        assert (signal.step, signal.quantity, signal.loss_step, signal.at.tolist()) == (7, "pair", "each", [*range(N)])
        assert (signal.place.part, signal.place.layer, signal.place.state) == ("encoder", layers - 1, "h")
    assert all(p.grad is None for p in parts.parameters)


def test_pair_signals_are_measured_where_there_is_an_encoder_and_a_probe_only():
    assert not look_at(assemble(read_overrides(words("probe.every=0", "device=cpu"))), 0, evaluating=True)
    assert not look_at(
        assemble(read_overrides(["task=reverse", "model=gru", "device=cpu", "diagnostic=pairs"])), 0, evaluating=True
    )


def test_of_a_long_target_32_steps_are_measured_from_the_first_to_the_last():
    parts = assemble(read_overrides(words("task.length=70", "eval.size=2", "device=cpu", "diagnostic=pairs")))
    steps = [int(s) for signal in look_at(parts, 0, evaluating=True) for s in signal.at]
    assert (len(steps), steps[0], steps[-1]) == (32, 0, 69)
    assert set(np.diff(steps)) == {2, 3}


STATES = [
    {"cell": "lstm", "num_layers": 3, "dilation": 2},
    {"cell": "gru", "num_layers": 2, "time_skip": 3},
    {"cell": "lstm", "num_layers": 2, "norm": "cell"},
    {"cell": "rnn", "num_layers": 2, "norm": "layer"},
    *({"cell": "gru", "num_layers": 3, "skip": skip} for skip in ("residual", "dense", "dense_residual", "highway")),
]


@pytest.mark.parametrize("options", STATES, ids=str)
def test_a_decoder_of_the_same_weights_goes_on_as_if_the_encoder_had_gone_on(options):
    model = shake(build(**options))
    model.decoder.load_state_dict(model.encoder.state_dict())
    whole = RecurrentStack(model.encoder.shape).double()
    whole.load_state_dict(model.encoder.state_dict())
    x = data()
    embedded = torch.cat([model.source_embedding(x[:N]), model.target_embedding(x[N:])])
    features = whole(embedded)[0]
    mixed = torch.cat([features[N - 1].expand(N, -1, -1), features[N:]], -1)
    expected = model.readout(torch.tanh(model.combine(mixed)))
    torch.testing.assert_close(model(x)[0], expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("options", STATES, ids=str)
@each_attention
def test_every_option_of_a_stack_goes_with_every_attention_in_both_directions(options, attention):
    model = build(attention=attention, bidirectional=True, **options)
    model(data())[0].square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@each_attention
def test_gradcheck_in_float64(attention):
    model, x = shake(build("task.length=3", attention=attention, bidirectional=True)), data(batch=2)[:5]
    names, values = zip(*model.named_parameters(), strict=True)

    def output(*values):
        return torch.func.functional_call(model, dict(zip(names, values, strict=True)), (x,))[0]

    assert torch.autograd.gradcheck(output, values, fast_mode=True)


@each_attention
@pytest.mark.parametrize("bidirectional", [False, True])
def test_an_output_sees_all_of_the_source_and_of_the_target_what_stands_before_it(attention, bidirectional):
    model, x = shake(build(attention=attention, bidirectional=bidirectional)), data()
    output = model(x)[0]
    for t in range(2 * N):
        changed = x.clone()
        changed[t] = (changed[t] + 1) % V
        same_S = (model(changed)[0] == output).flatten(1).all(1)
        assert same_S[: max(t - N, 0)].all()
        assert not same_S[max(t - N, 0) :].any()


@each_attention
def test_what_stands_behind_a_target_has_no_influence(attention):
    model, x = shake(build(attention=attention, bidirectional=True)), data()
    lengths = torch.tensor([2 * N, N + 1, N + 3, 2 * N])
    padded = x.clone()
    padded[N + 1 :, 1], padded[N + 3 :, 2] = 0, 0
    output, again = model(x, lengths)[0], model(padded, lengths)[0]
    for sample, length in enumerate(lengths - N):
        assert torch.equal(output[:length, sample], again[:length, sample])
        alone = model(x[: length + N, sample : sample + 1])[0]
        torch.testing.assert_close(output[:length, sample], alone[:, 0], rtol=1e-10, atol=1e-12)


@each_arm
def test_the_parameter_count_is_the_closed_formula(cell, attention, bidirectional, layers):
    ways = 1 + bidirectional
    recurrence = lambda inputs: GATES[cell] * (D * inputs + D * D + 2 * D)  # noqa: E731
    embeddings = 2 * V * D
    encoder = ways * (recurrence(D) + (layers - 1) * recurrence(ways * D))
    decoder = layers * recurrence(D)
    bridge = bidirectional * layers * (2 if cell == "lstm" else 1) * (2 * D * D + D)
    score = {"none": 0, "dot": bidirectional * 2 * D * D, "additive": D * D + ways * D * D + D}[attention]
    answer = (ways * D + D + 1) * D + (D + 1) * SYMBOLS
    model = build(cell=cell, attention=attention, bidirectional=bidirectional, num_layers=layers)
    expected = embeddings + encoder + decoder + bridge + score + answer
    assert sum(p.numel() for p in model.parameters()) == expected


@each_attention
def test_the_same_seed_gives_the_same_parameters_and_another_seed_others(attention):
    before = torch.random.get_rng_state()
    options = {"attention": attention, "bidirectional": True, "cell": "lstm", "num_layers": 2, "skip": "highway"}
    first, again, other = build(**options), build(**options), build("seed=1", **options)
    assert torch.equal(before, torch.random.get_rng_state())
    for (name, p), q, r in zip(first.named_parameters(), again.parameters(), other.parameters(), strict=True):
        assert torch.equal(p, q)
        assert "bias" in name or not torch.equal(p, r), name


def test_arms_of_attention_share_the_initial_values_of_what_they_share():
    none, dot, additive = (dict(build(attention=attention).named_parameters()) for attention in ATTENTIONS)
    assert set(none) <= set(dot) & set(additive)
    assert all(torch.equal(p, dot[name]) and torch.equal(p, additive[name]) for name, p in none.items())


def test_a_deeper_model_begins_as_the_shallower_one():
    deeper = dict(build(num_layers=3, bidirectional=True, attention="additive").named_parameters())
    for name, p in build(num_layers=2, bidirectional=True, attention="additive").named_parameters():
        assert torch.equal(p, deeper[name]), name


def test_forget_gates_begin_as_those_of_the_lstm():
    model = build(cell="lstm")
    for part in (model.encoder, model.decoder):
        assert part.layers[0]["forward_cell"].bias_ih.view(4, D)[:, 0].tolist() == [0, 1, 0, 0]


@each_attention
def test_saving_and_loading_changes_nothing(attention):
    model = build(attention=attention, bidirectional=True)
    other = build("seed=7", attention=attention, bidirectional=True)
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(data())[0], model(data())[0])


def test_dropout_comes_from_the_generator_given_and_from_nothing_else():
    model, plain = build(num_layers=2, dropout=0.5), build(num_layers=2)
    before = torch.random.get_rng_state()
    first, again, other = (model(data(), generator=torch.Generator().manual_seed(seed))[0] for seed in (3, 3, 4))
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(model(data())[0], plain(data())[0])


@pytest.mark.parametrize("task", ["adding", "copy", "temporal_order", "digits", "lm"])
def test_a_task_without_a_source_is_refused_in_a_line_that_names_one_with(task):
    with pytest.raises(UsageError, match="task=reverse") as refused:
        read_overrides([f"task={task}", "model=seq2seq"])
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("model.attention=bahdanau", "bahdanau"),
        ("model.cell=mgu", "mgu"),
        ("model.dropout=0.1", "num_layers of 2 or more"),
        ("model.skip=residual", "second layer"),
        ("model.time_skip=5", "reaches back over all 5 timesteps"),
        ("model.hidden_size=0", "at least 1"),
    ],
)
def test_what_cannot_be_is_refused(override, line):
    with pytest.raises(UsageError, match=line):
        read_overrides(words(override))


def test_a_vanilla_rnn_has_no_gates_for_chrono():
    with pytest.raises(UsageError, match="init=chrono sets the biases of gates"):
        read_overrides(words(cell="rnn", init="chrono"))


def test_a_run_records_pairs_at_each_evaluation_and_shows_the_last_as_a_picture(tmp_path, capsys):
    short = ["steps=4", "eval.every=2", "eval.size=8", "probe.every=2", "device=cpu", "batch_size=4"]
    run = seqablate.train(words(*short, bidirectional=True, attention="dot"))
    pairs = run.signals[run.signals["quantity"] == "pair"]
    assert sorted(set(pairs["step"])) == [0, 2, 4]
    assert len(pairs) == 3 * 2 * N * N
    images = EventAccumulator(str(run.path), size_guidance={"images": 0}).Reload()
    assert [image.step for image in images.Images("heatmap/pair")] == [4]
    assert show([str(run.path), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    for path in (tmp_path / "out" / "show-pair.png", tmp_path / "out" / "show-pair.svg"):
        assert path.exists()
        assert f"saved {path}" in said
