"""A skip over time and layer norm inside the cell: a plain loop that has them too, and what the papers say of them.

Shapes: T time, B batch, I input, D hidden, k steps skipped.
"""

from __future__ import annotations

import pytest
import torch
from numba import typeof
from recurrences import (
    LOSSES,
    check_carried,
    check_gradients,
    check_observed,
    random_call,
    random_recurrence,
)

from seqablate.engine.cell import Cell, Linear, Weights
from seqablate.engine.cells import CELLS, gru
from seqablate.engine.ports import Observer
from seqablate.engine.recurrence import Recurrence, refusal
from seqablate.engine.setup import prepare

B, I, D = 2, 3, 4  # noqa: E741
CPU = torch.device("cpu")
NAMES = [
    "rnn_tanh",
    "rnn_relu",
    "rnn_sigmoid",
    "rnn_identity",
    "lstm",
    "gru",
    "mgu",
    "lstm_coupled_gates",
    "lstm_no_output_activation",
]
INPUT_ONLY = ["mingru", "lru_positive", "lru_signed", "lrnn_positive", "lrnn_signed"]  # h has no matrix
OPTIONS = {
    "skip 2": {"time_skip": 2},
    "skip 5": {"time_skip": 5},
    "skip 12": {"time_skip": 12},
    "norm": {"layer_norm": True},
    "norm, skip 3": {"layer_norm": True, "time_skip": 3},
    "norm, dilation 3": {"layer_norm": True, "dilation": 3},
}
COMPILED = {name: OPTIONS[name] for name in ("skip 2", "norm", "norm, skip 3")} | {"skip 50": {"time_skip": 50}}


def backends_of(module: Recurrence) -> tuple[str, ...]:
    """All that run it."""
    return tuple(name for name in ("loop", "compiled") if refusal(name, module, CPU) is None)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("cell", [*NAMES, *INPUT_ONLY])
def test_every_gradient_is_the_plain_loops(cell, options):
    module = random_recurrence(cell, I, D, **options)
    for T in range(1, 12):
        check_observed(module, backends_of(module), T, B, list(LOSSES)[T % len(LOSSES)])


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("cell", [*NAMES, *INPUT_ONLY])
def test_calls_in_a_chain_are_one_call(cell, options):
    for lengths in ((1, 10), (4, 3), (7, 2, 1, 5)):
        module = random_recurrence(cell, I, D, **options)
        for backend in backends_of(module):
            check_carried(module, backend, lengths, B)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("cell", [*NAMES, *INPUT_ONLY])
def test_gradcheck(cell, options):
    module = random_recurrence(cell, I, D, **options)
    for backend in backends_of(module):
        module.backend = backend
        check_gradients(module, 4, B)


# T, B, inputs, D around the edges of chunks (128 rows of T * B), panels (8 or 16 columns and more) and tiles (8 rows).
EDGES = [(129, 1, 16, 8), (43, 5, 3, 17), (2, 70, 9, 33)]


WITH_OPTIONS = [
    (name, option)
    for name, cell in CELLS.items()
    for option, given in COMPILED.items()
    if cell.kernels and not (isinstance(cell.step, Linear) and "time_skip" in given)  # a scan has no skip over time
]


@pytest.mark.parametrize(("cell", "option"), WITH_OPTIONS)
@pytest.mark.parametrize("shape", EDGES, ids=lambda shape: "-".join(map(str, shape)))
def test_the_kernels_agree_with_the_plain_loop_at_every_edge(cell, shape, option):
    torch.manual_seed(0)
    T, B, inputs, D = shape
    module, found = Recurrence(cell, inputs, D, **COMPILED[option]).double(), []
    x, states = random_call(module, T, B)
    for backend in ("loop", "compiled"):
        module.backend, told = backend, []
        results = module(x, states, Observer(told.append, vectors=True))
        gradients = torch.autograd.grad(LOSSES["everything"](*results), [x, *states, *module.parameters()])
        found.append((results, gradients, *((told[0].total[name], told[0].direct[name]) for name in told[0].total)))
    torch.testing.assert_close(*found, rtol=1e-9, atol=1e-11)
    with torch.no_grad():
        output, final = module(x, states)
    assert torch.equal(output, results[0])
    assert all(map(torch.equal, final, results[1]))
    assert len({g.data_ptr() for g in gradients}) == len(gradients)


@pytest.mark.parametrize("options", [{}, *COMPILED.values()], ids=["plain", *COMPILED])
def test_a_step_calls_the_kernels_that_were_made_ready(options, monkeypatch):
    """For other types of arguments numba would compile them once more, in the middle of a run."""
    called: dict[str, set] = {"forward": set(), "backward": set()}

    def recording(name, kernel):
        return lambda *arguments: (called[name].add(tuple(map(typeof, arguments))), kernel(*arguments))

    for name in called:
        monkeypatch.setattr(gru, name, recording(name, getattr(gru, name)))
    module = Recurrence("gru", I, D, **options)
    module.backend = "compiled"
    prepare(module, print)
    ready = {name: set(kinds) for name, kinds in called.items()}
    output, _ = module(torch.randn(7, B, I), None, Observer(lambda _: None))
    output.sum().backward()
    assert called == ready
    assert all(len(kinds) == 1 for kinds in ready.values())


@pytest.mark.parametrize("cell", NAMES)
def test_a_skip_whose_matrix_is_zero_is_none(cell):
    plain, module = random_recurrence(cell, I, D), random_recurrence(cell, I, D, time_skip=2)
    module.load_state_dict(plain.state_dict() | {"weight_skip": torch.zeros_like(module.weight_skip)})
    x, states = random_call(module, 6, B)
    plain.backend = module.backend = "loop"
    output, final = module(x, states)
    wanted, wanted_final = plain(x, states[:-1])
    torch.testing.assert_close((output, *final[:-1]), (wanted, *wanted_final), rtol=1e-12, atol=1e-12)
    assert torch.equal(final[-1], output[-2:])


def test_a_gradient_skips_k_steps_at_once():
    """With nothing but the skip h_t reaches h_{t+k}, h_{t+2k}, ..., and no state between (Zhang et al. 2016)."""
    module = random_recurrence("rnn_tanh", I, D, time_skip=4)
    with torch.no_grad():
        module.weight_hh.zero_()
    x, states = random_call(module, 11, B)
    (d_x,) = torch.autograd.grad(module(x, states)[0][-1].sum(), x)
    assert d_x.abs().sum((1, 2)).nonzero().flatten().tolist() == [2, 6, 10]


@pytest.mark.parametrize("weight", ["weight_ih", "weight_hh"])
@pytest.mark.parametrize("cell", NAMES)
def test_with_layer_norm_the_size_of_a_weight_matrix_changes_nothing(cell, weight):
    """Ba et al. 2016, table 1: invariant to a factor of the matrix, up to the epsilon under the root."""
    module = random_recurrence(cell, I, D, layer_norm=True)
    with torch.no_grad():
        module.weight_ih.mul_(1e4)
        module.weight_hh.mul_(1e4)
        x, states = random_call(module, 5, B)
        before = module(x, states)
        getattr(module, weight).mul_(10)
        torch.testing.assert_close(module(x, states), before, rtol=1e-6, atol=1e-6)


def test_parameters_that_options_bring_come_after_the_others_and_leave_their_values():
    torch.manual_seed(0)
    plain = Recurrence("lstm", I, D).state_dict()
    torch.manual_seed(0)
    module = Recurrence("lstm", I, D, time_skip=3, layer_norm=True)
    for (name, value), wanted in zip(module.state_dict().items(), plain, strict=False):
        assert name == wanted
        assert torch.equal(value, plain[name])
    shapes = {name: tuple(p.shape) for name, p in module.named_parameters() if name not in plain}
    assert shapes == {
        "weight_skip": (4 * D, D),
        "norm_ih_weight": (4 * D,),
        "norm_hh_weight": (4 * D,),
        "norm_c_weight": (D,),
        "norm_c_bias": (D,),
    }
    assert module.weight_skip.abs().max() <= D**-0.5
    assert all(
        (p == 1).all()
        for name, p in module.named_parameters()
        if name in shapes and "norm" in name[:4] and name.endswith("weight")
    )
    assert not module.norm_c_bias.any()
    assert repr(module) == "Recurrence(lstm, 3, 4, time_skip=3, layer_norm=True)"


def test_a_cell_of_ones_own_says_which_gates_are_normed_together(monkeypatch):
    """An LSTM whose output gate stands alone: without layer norm it is the LSTM."""

    def step(x_BI, states, w_ifg: Weights, w_o: Weights):
        h_BD, c_BD = states
        i, f, g = (w_ifg.from_input(x_BI) + w_ifg.from_hidden(h_BD)).chunk(3, dim=1)
        c_BD = f.sigmoid() * c_BD + i.sigmoid() * g.tanh()
        return (w_o.from_input(x_BI) + w_o.from_hidden(h_BD)).sigmoid() * w_o.from_cell(c_BD).tanh(), c_BD

    monkeypatch.setitem(CELLS, "own", Cell("own", tuple("ifgo"), ("h", "c"), step, blocks=(3, 1)))
    own, whole = random_recurrence("own", I, D), random_recurrence("lstm", I, D)
    x, states = random_call(whole, 6, B)
    torch.testing.assert_close(own(x, states), whole(x, states))
    normed = random_recurrence("own", I, D, layer_norm=True)
    output, _ = normed(x, states)
    assert all(g.any() for g in torch.autograd.grad(output.square().sum(), [*normed.parameters()]))
    with torch.no_grad():
        normed.weight_hh[3 * D :].mul_(10)  # the rows of o, all that its norm is over
        torch.testing.assert_close(normed(x, states)[0], output, rtol=1e-4, atol=1e-4)
        normed.weight_hh[2 * D :].mul_(10)  # and those of g, which i and f are normed with
        assert (normed(x, states)[0] - output).abs().max() > 0.01


def test_what_does_not_fit_is_refused():
    for time_skip in (1, -2):
        with pytest.raises(ValueError, match=f"time_skip={time_skip}: must be 2 or more"):
            Recurrence("lstm", I, D, time_skip=time_skip)
    with pytest.raises(ValueError, match="time_skip=2 with dilation=2: give one of the two"):
        Recurrence("lstm", I, D, time_skip=2, dilation=2)
    module, state = Recurrence("gru", I, D, time_skip=3), torch.zeros(B, D)
    with pytest.raises(ValueError, match="the state must be 2 tensors, not 1"):
        module(torch.randn(5, B, I), (state,))
    with pytest.raises(ValueError, match=r"state h of the last steps must have the shape \[3, 2, 4\], not \[2, 4\]"):
        module(torch.randn(5, B, I), (state, state))
