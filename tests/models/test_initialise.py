"""Initial values, held against their definitions. Shapes: T time, B batch, F input, D hidden."""

from __future__ import annotations

import math
import os

import numpy as np
import pytest
import torch
from scipy import stats

from seqablate.assemble import build_model, build_task, read_overrides
from seqablate.engine.cells import CELLS
from seqablate.engine.recurrence import Recurrence
from seqablate.errors import UsageError
from seqablate.models.choices import DeepInit, Init
from seqablate.models.initialise import Initialiser

D, F = 64, 10
KINDS = [kind for kind in Init if kind is not Init.chrono]
GATED = [name for name, cell in CELLS.items() if cell.memory or cell.base]
UNGATED = [name for name in CELLS if name not in GATED]
every_kind = pytest.mark.parametrize("kind", list(Init))


def recurrence(
    kind: Init, cell: str = "lstm", size: int = D, name: str = "cell", options: dict | None = None, **fields
):
    """A recurrence whose every value was NaN before."""
    found = Recurrence(cell, F, size, **options or {})
    for p in found.parameters():
        p.data.fill_(math.nan)
    Initialiser(seed=3, kind=kind, horizon=100, **fields).recurrence(found, name)
    return found


def blocks(tensor: torch.Tensor, size: int = D) -> list[np.ndarray]:
    return [block.detach().double().numpy() for block in tensor.split(size)]


def whole_biases(found: Recurrence) -> dict[str, np.ndarray]:
    biases = sum(p for name, p in found.named_parameters() if name.startswith("bias"))
    return dict(zip(found.cell.gates, blocks(biases, found.hidden_size), strict=True))


def follows(values: np.ndarray, distribution) -> bool:
    return stats.kstest(values.ravel(), distribution.cdf).pvalue > 0.01


def build(*overrides: str):
    config = read_overrides([*overrides, "task=adding"])
    return build_model(config, build_task(config))


def test_torchs_kind_has_the_distribution_of_torchs_own_module():
    bound = D**-0.5
    torch.manual_seed(0)
    theirs = dict(torch.nn.LSTM(F, D).named_parameters())
    for tensor, p in recurrence(Init.torch).named_parameters():
        for block in blocks(p):
            assert follows(block, stats.uniform(-bound, 2 * bound)), tensor
        assert stats.ks_2samp(p.detach().ravel(), theirs[f"{tensor}_l0"].detach().ravel()).pvalue > 0.01


@pytest.mark.parametrize("gain", [1.0, 0.5, 1.5])
def test_orthogonal_has_all_singular_values_at_the_gain(gain):
    for block in blocks(recurrence(Init.orthogonal, gain=gain).weight_hh):
        np.testing.assert_allclose(np.linalg.svd(block, compute_uv=False), gain, atol=1e-5)


@pytest.mark.parametrize("gain", [1.0, 1.5])
def test_gaussian_is_normal_with_the_variance_gain_squared_over_d(gain):
    for block in blocks(recurrence(Init.gaussian, gain=gain).weight_hh):
        assert follows(block, stats.norm(0, gain / math.sqrt(D)))
        assert abs(np.linalg.eigvals(block)).max() == pytest.approx(gain, rel=0.2)  # the circular law, roughly


def test_identity_is_the_identity_in_every_gate_and_nearly_nothing_from_the_input():
    found = recurrence(Init.identity)
    for block in blocks(found.weight_hh):
        np.testing.assert_array_equal(block, np.eye(D))
    for block in blocks(found.weight_ih):
        assert follows(block, stats.norm(0, 0.001))


@pytest.mark.parametrize("size", [1, 2, 14, 15, 16, 64])
def test_smart_tanh_gives_each_unit_15_inputs_and_the_matrix_a_spectral_radius_of_95_hundredths(size):
    found = recurrence(Init.smart_tanh, size=size)
    for block in blocks(found.weight_hh, size):
        assert ((block != 0).sum(1) == min(15, size)).all()
        assert abs(np.linalg.eigvals(block)).max() == pytest.approx(0.95, rel=1e-5)
    if size == D:
        chosen = sum((block != 0).sum(0) for block in blocks(found.weight_hh))  # 60 expected into each of 64 columns
        assert stats.chisquare(chosen).pvalue > 0.01
        for block in blocks(found.weight_ih):
            assert follows(block, stats.norm(0, 0.01))
        weights = np.concatenate([block[block != 0] / block[block != 0].std() for block in blocks(found.weight_hh)])
        assert follows(weights, stats.norm())


@pytest.mark.parametrize("kind", [Init.orthogonal, Init.gaussian, Init.chrono])
def test_the_other_kinds_input_weights_are_glorot_uniform_gate_by_gate(kind):
    bound = math.sqrt(6 / (F + D))
    for block in blocks(recurrence(kind, gain=1.0 if kind is Init.chrono else 2.0).weight_ih):
        assert follows(block, stats.uniform(-bound, 2 * bound))


@pytest.mark.parametrize("kind", ["orthogonal", "gaussian"])
def test_the_configs_gain_multiplies_the_recurrent_weights_and_nothing_else(kind):
    one, two = (build("model=gru", f"model.init={kind}", f"model.gain={gain}") for gain in (1, 2))
    for (name, p), q in zip(one.named_parameters(), two.parameters(), strict=True):
        assert torch.equal(q, 2 * p if name.endswith("weight_hh") else p), name


@pytest.mark.parametrize("kind", [k for k in KINDS if k is not Init.torch])
def test_biases_are_zero_but_for_torchs_and_chronos(kind):
    found = recurrence(kind)
    assert not found.bias_ih.any()
    assert not found.bias_hh.any()


def kept(found: Recurrence) -> np.ndarray:
    """[D] the share of a state of 1 that one step leaves, where nothing but biases speaks."""
    for name, p in found.named_parameters():
        if name.startswith("weight"):
            p.data.zero_()
    zero, one = torch.zeros(1, found.hidden_size), torch.ones(1, found.hidden_size)
    state = (zero, one) if "c" in found.cell.states else (one,)
    return found(torch.zeros(1, 1, F), state)[1][-1][0].detach().double().numpy()


@pytest.mark.parametrize("radii", [(0.0, 1.0), (0.5, 0.9)])
@pytest.mark.parametrize("cell", ["lru_positive", "lru_signed"])
def test_the_eigenvalues_of_a_diagonal_recurrence_are_uniform_on_the_ring_by_area(cell, radii):
    found = recurrence(Init.orthogonal, cell, size=1000, radii=radii)
    with torch.no_grad():  # one step from h = 1, without input
        eigenvalues = found(torch.zeros(1, 1, F), (torch.ones(1, 1000),))[0].double().numpy().ravel()
    low, high = (r * r for r in radii)
    assert follows(eigenvalues**2, stats.uniform(low, high - low))
    assert (eigenvalues < 0).mean() == pytest.approx(0.5 if cell == "lru_signed" else 0, abs=0.05)


@pytest.mark.parametrize("cell", GATED)
def test_chrono_forgets_after_log_uniform_times_up_to_the_horizon(cell):
    found = recurrence(Init.chrono, cell, size=400)
    bias = whole_biases(found)
    share = kept(found)
    if cell == "lstm_no_forget_gate":
        np.testing.assert_array_equal(share, 1.0)
        u = np.exp(-bias["i"])
    else:
        u = share / (1 - share)
        assert stats.kstest(np.log(u), lambda b: stats.uniform(1, 98).cdf(np.exp(b))).pvalue > 0.01
    assert follows(u, stats.uniform(1, 98))
    if {"i", "f"} <= set(bias):
        np.testing.assert_array_equal(bias["i"], -bias["f"])
    assert not any(bias[gate].any() for gate in bias if gate in "gonr")
    assert not any(p.any() for name, p in found.named_parameters() if name == "bias_hh")


def test_chronos_horizon_is_the_tasks():
    for length in (12, 500):
        cell = build("model=gru", "model.init=chrono", "model.hidden_size=500", f"task.length={length}")
        u = np.exp(whole_biases(cell.stack.layers[0]["forward_cell"])["z"])
        assert follows(u, stats.uniform(1, length - 2))


@pytest.mark.parametrize(("model", "key", "gate"), [("lstm", "forget_bias", "f"), ("gru", "update_bias", "z")])
@pytest.mark.parametrize("kind", ["torch", "orthogonal", "gaussian", "chrono"])
def test_a_gates_bias_comes_on_top_of_the_kinds_own_unless_that_is_chrono(model, key, gate, kind):
    words = (f"model={model}", f"model.init={kind}")
    zero, three = (build(*words, f"model.{key}={b}").stack.layers[0]["forward_cell"] for b in (0, 3))
    added = whole_biases(three)[gate] - whole_biases(zero)[gate]
    np.testing.assert_allclose(added, 0.0 if kind == "chrono" else 3.0, atol=1e-6)
    if kind == "torch":  # a sum of two U(-1/8, 1/8) has a standard deviation of .102
        assert whole_biases(three)[gate].mean() == pytest.approx(3, abs=3 * 0.102 / math.sqrt(D))
        for whole, b in ((zero, 0), (three, 3)):
            part = dict(zip(whole.cell.gates, blocks(whole.bias_ih), strict=True))[gate]
            assert follows(part, stats.uniform(b - D**-0.5, 2 * D**-0.5))
    for name, p in three.named_parameters():
        q = getattr(zero, name)
        rest = (
            [k for k, g in enumerate(three.cell.gates) if g != gate]
            if name == "bias_ih"
            else range(len(three.cell.gates))
        )
        assert all(torch.equal(p.split(D)[k], q.split(D)[k]) for k in rest), name


def test_a_positive_update_bias_keeps_more_of_h():
    cell = build("model=gru", "model.update_bias=2").stack.layers[0]["forward_cell"]
    zero, one = torch.zeros(D, D), torch.ones(1, D)
    torch_cell = torch.nn.GRUCell(2, D)
    torch_cell.load_state_dict(cell.state_dict() | {"weight_hh": torch.cat([zero] * 3)})
    torch.testing.assert_close(torch_cell(torch.zeros(1, 2), one), torch.full((1, D), 2.0).sigmoid())


@every_kind
@pytest.mark.parametrize("variant", ["coupled_gates", "no_input_gate", "no_forget_gate", "no_output_gate"])
def test_an_ablated_cell_starts_from_the_whole_ones_values(kind, variant):
    whole, less = recurrence(kind), recurrence(kind, f"lstm_{variant}")
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        wanted = dict(zip(whole.cell.gates, getattr(whole, name).split(D), strict=True))
        for gate, block in zip(less.cell.gates, getattr(less, name).split(D), strict=True):
            assert torch.equal(block, wanted[gate]), (name, gate)


@pytest.mark.parametrize(
    ("kind", "cell"),
    [
        (kind, cell)
        for kind in Init
        for cell in ("rnn_tanh", "lstm", "gru", "mgu", "lstm_coupled_gates")
        if kind in KINDS or cell in GATED
    ],
)
@pytest.mark.parametrize("options", [{"time_skip": 2}, {"layer_norm": True}, {"dilation": 3}], ids=str)
def test_every_tensor_has_a_value_of_its_own(kind, cell, options):
    found = dict(recurrence(kind, cell, options=options).named_parameters())
    drawn = []
    for name, p in found.items():
        assert p.isfinite().all(), name
        if name.startswith("norm"):
            assert (p == (1 if name.endswith("weight") else 0)).all(), name
        else:
            drawn += [block.ravel()[:D] for block in blocks(p) if len(np.unique(block)) > 2]  # not zeros, identity
    different = {tuple(values) for values in drawn}
    assert len(different) == len(drawn)


@every_kind
def test_a_skip_over_time_starts_as_the_recurrent_matrix_does_with_values_of_its_own(kind):
    found = recurrence(kind, options={"time_skip": 2}, gain=1.5 if kind in (Init.orthogonal, Init.gaussian) else 1.0)
    for skip, hidden in zip(blocks(found.weight_skip), blocks(found.weight_hh), strict=True):
        a, b = (np.linalg.svd(matrix, compute_uv=False) for matrix in (skip, hidden))
        np.testing.assert_allclose(np.sqrt((a**2).mean()), np.sqrt((b**2).mean()), rtol=0.15)
        assert (kind is Init.identity) == np.array_equal(skip, hidden)


@every_kind
def test_values_are_a_function_of_seed_and_name(kind):
    first, again, other = recurrence(kind), recurrence(kind), recurrence(kind, name="other")
    for (name, p), q, r in zip(first.named_parameters(), again.parameters(), other.parameters(), strict=True):
        assert torch.equal(p, q)
        assert torch.equal(p, r) == (not name.startswith("weight_ih") and len(p.unique()) <= 2), name


@pytest.mark.parametrize("kind", [kind.value for kind in Init])
@pytest.mark.parametrize("skip", ["none", "highway"])
def test_a_deeper_stack_begins_as_the_shallower_one(kind, skip):
    shallow, deep = (
        build("model=gru", f"model.init={kind}", f"model.num_layers={n}", f"model.skip={skip}") for n in (2, 4)
    )
    parameters = dict(deep.named_parameters())
    for name, p in shallow.named_parameters():
        assert torch.equal(p, parameters[name]), name
    assert all(p.isfinite().all() for p in parameters.values())
    if skip == "highway":
        assert all((gate.bias == -1).all() for gate in deep.stack.skip.gates)
        bound = D**-0.5
        assert all(follows(g.weight.detach().numpy(), stats.uniform(-bound, 2 * bound)) for g in deep.stack.skip.gates)


@pytest.mark.parametrize("kind", [kind.value for kind in Init])
def test_what_stands_around_the_recurrences_is_the_same_for_every_kind(kind):
    first, other = build("model=lstm"), build("model=lstm", f"model.init={kind}")
    assert torch.equal(first.readout.weight, other.readout.weight)
    assert not other.readout.bias.any()


LAYERS = {
    "linear": (lambda: torch.nn.Linear(50, 200), 50, 250),
    "conv1d": (lambda: torch.nn.Conv1d(20, 120, 5), 100, 700),
    "conv2d": (lambda: torch.nn.Conv2d(12, 120, 3), 108, 1188),
}


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("kind", list(DeepInit))
def test_a_deep_nets_layer_has_its_kinds_distribution(kind, layer):
    make, fan_in, fans = LAYERS[layer]
    module = make()
    gain = 1.5 if kind in (DeepInit.orthogonal, DeepInit.gaussian) else 1.0
    Initialiser(seed=0, deep=kind, gain=gain).layer(module, "layers.0")
    weight, bias = module.weight.detach().double().numpy(), module.bias.detach().double().numpy()
    if kind is DeepInit.orthogonal:
        matrix = weight.reshape(len(weight), -1)
        np.testing.assert_allclose(np.linalg.svd(matrix, compute_uv=False), gain, atol=1e-5)
    else:
        glorot = math.sqrt(6 / fans)
        expected = {
            DeepInit.torch: stats.uniform(-(fan_in**-0.5), 2 * fan_in**-0.5),
            DeepInit.he: stats.norm(0, math.sqrt(2 / fan_in)),
            DeepInit.glorot: stats.uniform(-glorot, 2 * glorot),
            DeepInit.gaussian: stats.norm(0, gain / math.sqrt(fan_in)),
        }[kind]
        assert follows(weight, expected)
    if kind is DeepInit.torch:
        assert follows(bias, stats.uniform(-(fan_in**-0.5), 2 * fan_in**-0.5))
    else:
        assert not bias.any()


@pytest.mark.parametrize("kind", list(DeepInit))
def test_a_deep_nets_layer_is_a_function_of_seed_and_name_and_may_lack_a_bias(kind):
    modules = [torch.nn.Linear(8, 8), torch.nn.Linear(8, 8, bias=False), torch.nn.Linear(8, 8)]
    for module, name in zip(modules, ("layers.0", "layers.0", "layers.1"), strict=True):
        Initialiser(seed=0, deep=kind).layer(module, name)
    first, without_bias, other = modules
    assert torch.equal(first.weight, without_bias.weight)
    assert not torch.equal(first.weight, other.weight)
    assert kind is not DeepInit.torch or not torch.equal(first.bias, first.weight[0])


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model=rnn", "model.init=chrono"], "sets the biases of gates, and this cell has no gates"),
        (["model=lrnn", "model.eigenvalues=signed", "model.init=chrono"], "this cell has no gates"),
        (["model=mingru", "model.gain=2"], "model.gain=2.0 scales recurrent matrices, and this cell has none"),
        (["model=lru", "model.r_min=0.9", "model.r_max=0.5"], "model.r_min=0.9: must not be above model.r_max=0.5"),
        (["model=gru", "model.init=torch", "model.gain=2"], "model.init=torch has a scale of its own"),
        (["model=gru", "model.init=identity", "model.gain=2"], "model.init=identity has a scale of its own"),
        (["model=rnn", "model.gain=nan"], "model.gain=nan: must be a positive finite number"),
        (["model=rnn", "model.gain=inf"], "model.gain=inf: must be a positive finite number"),
        (["model=rnn", "model.gain=0"], "model.gain=0.0: must be a positive finite number"),
        (["model=rnn", "model.init=xavier"], "model.init=xavier: .*torch, orthogonal, identity"),
        (["model=gru", "model.update_bias=nan"], "model.update_bias=nan: must be a finite number"),
        (["model=lstm", "model.forget_bias=inf"], "model.forget_bias=inf: must be a finite number"),
        (["model=lstm", "model.transform_bias=nan"], "model.transform_bias=nan: must be a finite number"),
        (["model=lstm", "model.init=chrono", "task=lm", "task.bptt=2"], "the task's T is 2: it needs 3 or more"),
    ],
)
def test_what_has_no_meaning_is_refused_in_one_line(overrides, message):
    with pytest.raises(UsageError, match=message) as refused:
        read_overrides(overrides)
    assert "\n" not in str(refused.value)


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs a second core")
@pytest.mark.parametrize("kind", [kind.value for kind in Init])
def test_initial_values_do_not_depend_on_the_threads_of_the_process(kind):
    config = read_overrides(["model=lstm", "model.hidden_size=64", f"model.init={kind}"])
    task, before, found = build_task(config), torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(list(build_model(config, task).parameters()))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
