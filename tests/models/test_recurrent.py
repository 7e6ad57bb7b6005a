from __future__ import annotations

import pytest
import torch

from seqablate.assemble import build_model, build_task
from seqablate.config.compose import compose_config
from seqablate.engine.cells import CELLS
from seqablate.engine.recurrence import Recurrence, refusal
from seqablate.errors import UsageError
from seqablate.models.functional import dropout, reverse_steps
from seqablate.models.recurrent.lstm import LSTMVariant


def build(*overrides: str):
    config = compose_config(list(overrides))
    return build_model(config, build_task(config))


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru", "mgu"])
def test_recurrent_weights_are_orthogonal_gate_by_gate_and_input_weights_glorot(name):
    cell = build(f"model={name}", "task=copy", "model.hidden_size=64").stack.layers[0]["forward_cell"]
    for block in cell.weight_hh.split(64):
        torch.testing.assert_close(block @ block.T, torch.eye(64), rtol=0, atol=1e-5)
    bound = (6 / (10 + 64)) ** 0.5
    for block in cell.weight_ih.split(64):
        assert 0.95 * bound < block.abs().max() <= bound
    assert not cell.bias_hh.any()


def test_the_forget_bias_is_the_forget_gates_whole_bias_and_nothing_elses():
    cell = build("model=lstm", "model.forget_bias=2.5", "model.hidden_size=8").stack.layers[0]["forward_cell"]
    total = (cell.bias_ih + cell.bias_hh).split(8)  # torch: input, forget, cell, output
    assert torch.equal(total[1], torch.full((8,), 2.5))
    assert not torch.cat([total[0], total[2], total[3]]).any()
    # At h = c = 0 and x = 0 the forget gate is sigmoid(2.5): one step from c = 1 keeps that much.
    lstm = torch.nn.LSTMCell(2, 8)
    lstm.load_state_dict(cell.state_dict())
    _, c = lstm(torch.zeros(1, 2), (torch.zeros(1, 8), torch.ones(1, 8)))
    torch.testing.assert_close(c, torch.full((1, 8), 2.5).sigmoid())


@pytest.mark.parametrize("variant", [v.value for v in LSTMVariant if v.value != "no_forget_gate"])
def test_every_variant_begins_by_keeping_as_much_of_c_as_the_full_lstm(variant):
    """From h = 0, x = 0 and all biases but the forget gate's zero, so that g = 0: one step leaves c' = f c."""
    cell = build("model=lstm", f"model.variant={variant}", "model.forget_bias=2.5").stack.layers[0]["forward_cell"]
    _, (_, c) = cell(torch.zeros(1, 1, 2), (torch.zeros(1, 64), torch.ones(1, 64)))
    torch.testing.assert_close(c, torch.full((1, 64), 2.5).sigmoid())


def test_without_a_forget_gate_the_forget_bias_changes_nothing():
    zero, ten = (build("model=lstm", "model.variant=no_forget_gate", f"model.forget_bias={bias}") for bias in (0, 10))
    for p, q in zip(zero.parameters(), ten.parameters(), strict=True):
        assert torch.equal(p, q)


@pytest.mark.parametrize("variant", [v.value for v in LSTMVariant])
def test_the_gates_that_a_variant_keeps_start_from_the_full_lstms_values(variant):
    full, other = (build("model=lstm", "model.hidden_size=8", f"model.variant={v}") for v in ("full", variant))
    of_full, of_other = (model.stack.layers[0]["forward_cell"] for model in (full, other))
    for kind in ("weight_ih", "weight_hh"):
        wanted = dict(zip("ifgo", getattr(of_full, kind).split(8), strict=True))
        for gate, block in zip(of_other.cell.gates, getattr(of_other, kind).split(8), strict=True):
            assert torch.equal(block, wanted[gate]), (kind, gate)
    assert torch.equal(full.readout.weight, other.readout.weight)


def test_every_variant_of_the_lstm_is_a_cell_of_its_own_under_one_label():
    models = [build("model=lstm", f"model.variant={v.value}") for v in LSTMVariant]
    names = [model.stack.layers[0]["forward_cell"].cell.name for model in models]
    assert set(names) == {"lstm"} | {name for name, cell in CELLS.items() if cell.base == "lstm"}
    assert len(set(names)) == len(names)
    assert {point.place.part for model in models for point in model.probe_points} == {"lstm"}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model=lstm", "model.variant=foo"], "model.variant=foo: .*full, no_input_gate"),
        (["model=mgu", "model.variant=full"], "has no key model.variant: it belongs to model=lstm"),
        (["model=mgu", "model.forget_bias=1"], "it belongs to model=lstm"),
    ],
)
def test_a_wrong_value_gets_one_line_that_says_what_would_be_right(overrides, message):
    with pytest.raises(UsageError, match=message) as refusal:
        build(*overrides)
    assert "\n" not in str(refusal.value)


def test_adding_a_layer_or_changing_the_cell_does_not_shift_the_readout():
    one, three, gru = build(), build("model.num_layers=3"), build("model=gru")
    assert torch.equal(one.readout.weight, three.readout.weight)
    assert torch.equal(one.readout.weight, gru.readout.weight)


def test_dropout_between_layers_comes_from_the_given_generator_only():
    model = build("model.num_layers=2", "model.dropout=0.5", "task=copy")
    x = torch.randn(6, 3, 10, generator=torch.Generator().manual_seed(0))

    def run(seed: int | None) -> torch.Tensor:
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        return model(x, generator=generator)[0]

    torch.manual_seed(1)
    first = run(5)
    torch.manual_seed(2)
    assert torch.equal(first, run(5))
    assert not torch.equal(first, run(6))
    assert torch.equal(run(None), run(None))


def test_dropout_keeps_the_expected_value_and_the_share():
    x = torch.ones(200, 500)
    dropped = dropout(x, 0.3, torch.Generator().manual_seed(0))
    assert dropped.unique().tolist() == [0.0, pytest.approx(1 / 0.7)]
    assert dropped.mean().item() == pytest.approx(1.0, abs=5 * (0.3 / 0.7 / 1e5) ** 0.5)


def test_reversing_valid_steps_equals_a_loop_and_undoes_itself():
    x = torch.arange(5 * 3.0).view(5, 3)
    lengths = torch.tensor([5, 2, 3])
    reversed_x = reverse_steps(x, lengths)
    for sample, length in enumerate(lengths.tolist()):
        expected = list(reversed(x[:length, sample].tolist())) + x[length:, sample].tolist()
        assert reversed_x[:, sample].tolist() == expected
    assert torch.equal(reverse_steps(reversed_x, lengths), x)
    assert torch.equal(reverse_steps(x, None), x.flip(0))


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("model.time_skip=10 task.length=10", "model.time_skip=10 reaches back over all 10 timesteps of the task"),
        (
            "model.num_layers=3 model.dilation=4 task.length=16",
            "model.dilation=4 (16 steps in the last layer) reaches back",
        ),
        ("model.num_layers=2 model.dilation=2 model.time_skip=2", "cannot be combined"),
        ("model.dilation=2", "it needs model.num_layers of 2 or more"),
        ("model.norm=cell backend=torch", "backend=torch has no kernel"),
        ("model.time_skip=2 backend=torch", "backend=torch has no kernel"),
        ("model.norm=cell model.gain=2", "model.gain=2.0 has no effect with model.norm=cell"),
        ("model.norm=layer model.hidden_size=1", "model.norm=layer: model.hidden_size=1: must be at least 2"),
    ],
)
def test_what_could_not_do_what_it_says_is_refused_in_one_line(words, line):
    with pytest.raises(UsageError) as refused:
        compose_config(words.split())
    assert line in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_window_of_a_carried_state_may_be_shorter_than_what_is_skipped():
    config = compose_config(["task=lm", "task.bptt=8", "model.time_skip=8"])
    assert config.model.time_skip == 8


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru", "mgu", "seq2seq", "lstm model.variant=no_input_gate"])
@pytest.mark.parametrize("option", ["", "model.norm=cell", "model.time_skip=2"])
@pytest.mark.parametrize("backend", ["compiled", "torch"])
def test_a_config_says_of_kernels_what_the_engine_says(name, option, backend):
    task = ["task=reverse"] if name == "seq2seq" else []
    config = compose_config([*f"model={name}".split(), *task, *option.split()])
    cells = [m for m in build_model(config, build_task(config)).modules() if isinstance(m, Recurrence)]
    engine = all(refusal(backend, cell, torch.device("cpu")) is None for cell in cells)
    assert (backend in config.model.backends) == engine
