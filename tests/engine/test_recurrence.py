"""One recurrence, three backends: the same numbers, down to every timestep and sample."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from recurrences import errors
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from seqablate.engine.backends import compiled
from seqablate.engine.cells import CELLS
from seqablate.engine.gradients import Gradients
from seqablate.engine.ports import Observer
from seqablate.engine.recurrence import Recurrence, choose_backend, refusal
from seqablate.engine.setup import set_backend

FUSED = [name for name, cell in CELLS.items() if cell.kernels]
FAST = [(name, "torch") for name, cell in CELLS.items() if cell.torch] + [(name, "compiled") for name in FUSED]
EXACT = 1e-9
CPU = torch.device("cpu")


def weighted(results, weights: list[Tensor | None]) -> Tensor:
    """A loss that leaves out the results without weights."""
    return sum((r * w).sum() for r, w in zip(results, weights, strict=True) if w is not None)


def observed(
    module: Recurrence, backend: str, x: Tensor, states: tuple[Tensor, ...], weights: list[Tensor]
) -> tuple[list[Tensor], list[Tensor], Gradients]:
    """Results, their weighted sum's gradients (by x, states and parameters), and what the observer was told."""
    module.backend = backend
    found: list[Gradients] = []
    output, final = module(x, states, Observer(found.append, vectors=True))
    loss = weighted((output, *final), weights)
    gradients = torch.autograd.grad(loss, [x, *states, *module.parameters()], materialize_grads=True)
    (told,) = found
    return [output, *final], list(gradients), told


def problem(cell: str, T: int, B: int, inputs: int, D: int, on: str = "ohc", dtype: torch.dtype = torch.float64):
    """A recurrence, its input and initial states, and the weights of a loss on the results that ``on`` names."""
    module = Recurrence(cell, inputs, D).to(dtype)
    x = torch.randn(T, B, inputs, dtype=dtype, requires_grad=True)
    states = tuple(torch.randn(B, D, dtype=dtype, requires_grad=True) for _ in module.cell.states)
    shapes = [("o", (T, B, D)), *((name, (B, D)) for name in module.cell.states)]
    return module, x, states, [torch.randn(shape, dtype=dtype) if name in on else None for name, shape in shapes]


def check_against_the_loop(backend: str, module: Recurrence, x: Tensor, states, weights) -> None:
    wanted, wanted_gradients, wanted_told = observed(module, "loop", x, states, weights)
    results, gradients, told = observed(module, backend, x, states, weights)
    for got, plain in zip(results, wanted, strict=True):  # a vector of units each: one unit may be a small difference
        assert errors(got, plain).max() <= EXACT
    for got, plain in zip(gradients, wanted_gradients, strict=True):
        assert (got - plain).norm() <= EXACT * plain.norm()
    for kind in ("total", "direct"):
        for state, plain in getattr(wanted_told, kind).items():
            assert errors(getattr(told, kind)[state], plain).max() <= EXACT, (kind, state)
            torch.testing.assert_close(told.norms(kind)[state], plain.norm(dim=-1), rtol=EXACT, atol=0)


# T, B, inputs, D around the edges of chunks (128 rows of T * B), panels (8 or 16 columns and more) and tiles (8 rows).
EDGES = [(129, 1, 16, 8), (65, 2, 1, 65), (43, 3, 64, 64), (2, 128, 15, 31), (1, 129, 3, 16), (20, 13, 5, 7)]


@pytest.mark.parametrize("on", ["o", "h", "oh", "ohc"])
@pytest.mark.parametrize("shape", EDGES, ids=lambda shape: "-".join(map(str, shape)))
@pytest.mark.parametrize("cell", FUSED)
def test_the_kernels_agree_with_the_plain_loop_at_every_edge(cell, shape, on):
    torch.manual_seed(0)
    check_against_the_loop("compiled", *problem(cell, *shape, on))


@pytest.mark.parametrize(("cell", "backend"), FAST)
@settings(max_examples=10, deadline=None)
@given(
    T=st.integers(1, 40),
    B=st.integers(1, 21),
    inputs=st.integers(1, 40),
    D=st.integers(1, 40),
    on=st.sampled_from(["o", "h", "oh", "ohc"]),
    scale=st.sampled_from([0.1, 1.0, 4.0]),
    seed=st.integers(0, 10_000),
)
def test_every_backend_agrees_with_the_plain_loop_at_any_shape(cell, backend, T, B, inputs, D, on, scale, seed):
    torch.manual_seed(seed)
    module, x, states, weights = problem(cell, T, B, inputs, D, on)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(scale)
    check_against_the_loop(backend, module, x, states, weights)


@pytest.mark.parametrize("shape", [(5, 3, 2, 4), (3, 9, 17, 33)], ids=["small", "odd"])
@pytest.mark.parametrize("cell", FUSED)
def test_gradcheck_of_the_compiled_kernels(cell, shape):
    torch.manual_seed(0)
    T, B, inputs, D = shape
    module, x, states, _ = problem(cell, T, B, inputs, D)
    module.backend = "compiled"

    def call(x, *rest):
        output, final = torch.func.functional_call(
            module,
            dict(zip(dict(module.named_parameters()), rest[len(states) :], strict=True)),
            (x, rest[: len(states)]),
        )
        return output, *final

    assert torch.autograd.gradcheck(call, (x, *states, *module.parameters()), fast_mode=D > 4)


@pytest.mark.parametrize("cell", FUSED)
def test_without_an_observer_the_gradients_are_the_same_to_the_bit(cell):
    torch.manual_seed(0)
    module, x, states, weights = problem(cell, 9, 5, 3, 7, dtype=torch.float32)
    _, watched, _ = observed(module, "compiled", x, states, weights)
    output, final = module(x, states)
    loss = weighted((output, *final), weights)
    for got, wanted in zip(torch.autograd.grad(loss, [x, *states, *module.parameters()]), watched, strict=True):
        assert torch.equal(got, wanted)


def float32_errors(module: Recurrence, x_TBI: Tensor) -> tuple[Tensor, Tensor]:
    """Errors of the compiled kernels' and of the plain loop's totals in float32, against the loop in float64."""
    told = {}
    for name, backend, dtype in (
        ("exact", "loop", torch.float64),
        ("loop", "loop", torch.float32),
        ("compiled", "compiled", torch.float32),
    ):
        twin = Recurrence(module.cell.name, module.input_size, module.hidden_size).to(dtype)
        twin.load_state_dict(module.state_dict())
        twin.backend = backend
        found: list[Gradients] = []
        _, final = twin(x_TBI.to(dtype), None, Observer(found.append, vectors=True))
        final[0].sum().backward()
        told[name] = found[0].total
    return tuple(
        torch.cat([errors(told[name][state], wanted) for state, wanted in told["exact"].items()])
        for name in ("compiled", "loop")
    )


@pytest.mark.parametrize("cell", FUSED)
def test_in_float32_the_kernels_err_as_little_as_a_plain_loop(cell):
    torch.manual_seed(0)
    mine, its = float32_errors(Recurrence(cell, 3, 48), torch.randn(60, 12, 3))
    assert mine.max() <= 10 * its.max()
    assert mine.median() <= 10 * its.median()


def test_saturated_gates_keep_as_many_digits_as_in_a_plain_loop():
    torch.manual_seed(0)
    for cell in ("lstm", "gru"):
        module = Recurrence(cell, 3, 16)
        with torch.no_grad():
            module.weight_ih.mul_(12)
        mine, its = float32_errors(module, torch.randn(40, 8, 3))
        assert mine.median() <= 10 * its.median()
        assert mine.max() <= 10 * its.max()


def test_profiles_hold_down_to_1e_minus_30():
    """float32 squares underflow below 1e-23; the norms are float64 sums, and the values themselves are in range."""
    torch.manual_seed(0)
    module = Recurrence("rnn_tanh", 2, 64)
    with torch.no_grad():
        torch.nn.init.orthogonal_(module.weight_hh).mul_(0.5)
    exact = Recurrence("rnn_tanh", 2, 64).double()
    exact.load_state_dict(module.state_dict())
    exact.backend, module.backend = "loop", "compiled"
    x_TBI, norms = torch.randn(100, 4, 2) * 0.1, []
    for twin in (module, exact):
        found: list[Gradients] = []
        _, (h_n,) = twin(x_TBI.to(twin.weight_hh.dtype), None, Observer(found.append))
        h_n.sum().backward()
        norms.append(found[0].norms("total")["h"])
    assert norms[1][0].max() < 1e-29
    assert norms[1][0].min() > 1e-38
    torch.testing.assert_close(norms[0], norms[1], rtol=1e-5, atol=0)


@pytest.mark.parametrize("cell", FUSED)
def test_a_value_that_is_not_finite_is_not_lost(cell):
    module = Recurrence(cell, 2, 5)
    x = torch.randn(4, 3, 2)
    x[1, 2, 0] = float("nan")
    output, _ = module(x)
    assert output[1:, 2].isnan().all()
    assert output[:, :2].isfinite().all()
    weight = module.weight_hh if module.cell.recurrent == "full" else module.weight_ih
    with torch.no_grad():
        weight.fill_(float("inf"))
    assert not module(torch.ones(4, 3, 2))[0].isfinite().all()


@pytest.mark.parametrize("cell", [cell for cell in FUSED if CELLS[cell].recurrent == "full"])  # no scan is cut
def test_shards_in_threads_change_rounding_only(cell, monkeypatch):
    monkeypatch.setattr(compiled, "THREADED", 0)
    torch.manual_seed(0)
    module, x, states, weights = problem(cell, 6, 21, 5, 9)
    alone = observed(module, "compiled", x, states, weights)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        shared = observed(module, "compiled", x, states, weights)
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(shared[:2], alone[:2], rtol=1e-12, atol=1e-12)
    for kind in ("total", "direct"):
        torch.testing.assert_close(getattr(shared[2], kind), getattr(alone[2], kind), rtol=1e-12, atol=1e-15)
        torch.testing.assert_close(shared[2].norms(kind), alone[2].norms(kind), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("cell", FUSED)
@pytest.mark.parametrize(("T", "B"), [(1, 1), (100, 3), (7, 200)])
def test_without_gradients_the_results_are_the_same_to_the_bit(cell, T, B):
    """There the gates are not kept: a chunk of timesteps uses the memory of the one before."""
    torch.manual_seed(0)
    module, x, states, _ = problem(cell, T, B, 3, 5)
    wanted = module(x, states)
    with torch.no_grad():
        output, final = module(x, states)
    assert torch.equal(output, wanted[0])
    assert all(map(torch.equal, final, wanted[1]))


@pytest.mark.parametrize("backend", ["loop", "torch", "compiled"])
def test_a_frozen_recurrence_is_observed_all_the_same(backend):
    module = Recurrence("lstm", 2, 3).requires_grad_(False)
    module.backend = backend
    found: list[Gradients] = []
    output, _ = module(torch.randn(4, 2, 2), None, Observer(found.append))
    output[-1].sum().backward()
    assert found[0].norms("total")["c"].min() > 0
    assert not module(torch.randn(4, 2, 2))[0].requires_grad


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("cell", FUSED)
def test_no_two_gradients_share_memory(cell, threads, monkeypatch):
    """A clip works on each in place: what is shared would be cut twice."""
    monkeypatch.setattr(compiled, "THREADED", 0)
    module = Recurrence(cell, 3, 5)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        module(torch.randn(4, 17, 3))[0].sum().backward()
    finally:
        torch.set_num_threads(before)
    gradients = [p.grad for p in module.parameters()]
    assert len({g.untyped_storage().data_ptr() for g in gradients}) == len(gradients)


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("backend", ["loop", "torch", "compiled"])
def test_the_final_states_are_copies(backend, grad):
    module = Recurrence("lstm", 3, 5)
    module.backend = backend
    with torch.set_grad_enabled(grad):
        output, final = module(torch.randn(4, 2, 3))
    before = output.detach().clone()
    with torch.no_grad():
        for state in final:
            state.mul_(2)
    assert torch.equal(output, before)


@pytest.mark.parametrize("cell", FUSED)
def test_under_checkpointing_the_gradients_are_the_same(cell):
    torch.manual_seed(0)
    module, x, _, _ = problem(cell, 5, 3, 2, 4)
    wanted = torch.autograd.grad(module(x)[0].sum(), [x, *module.parameters()])
    output = checkpoint(lambda x: module(x)[0], x, use_reentrant=False)
    assert all(map(torch.equal, torch.autograd.grad(output.sum(), [x, *module.parameters()]), wanted))


@pytest.mark.parametrize("backend", ["loop", "torch", "compiled"])
def test_what_does_not_fit_is_refused_before_a_kernel_reads_it(backend):
    module = Recurrence("lstm", 3, 4)
    module.backend = backend
    x, state = torch.randn(5, 2, 3), torch.zeros(2, 4)
    for x_, states, message in (
        (torch.randn(5, 2, 7), None, r"x must have the shape \[5, 2, 3\], not \[5, 2, 7\]"),
        (torch.randn(5, 3), None, r"x must be \[T, B, 3\]"),
        (x[:0], None, "with a T of 1 or more"),
        (x.double(), None, "x is torch.float64 on cpu, the weights are torch.float32 on cpu"),
        (x, (state,), "the state must be 2 tensors, not 1"),
        (x, (state[:1], state), r"state h must have the shape \[2, 4\], not \[1, 4\]"),
        (x, (state, state.double()), "state c is torch.float64"),
    ):
        with pytest.raises(ValueError, match=message):
            module(x_, states)
    with pytest.raises(ValueError, match="there is no cell 'lsmt'; there are gru, lrnn_positive, "):
        Recurrence("lsmt", 3, 4)


@pytest.mark.parametrize("cell", CELLS)
def test_a_recurrence_is_pickled_and_comes_back_the_same(cell):
    module, x = Recurrence(cell, 3, 4), torch.randn(5, 2, 3)
    assert torch.equal(pickle.loads(pickle.dumps(module))(x)[0], module(x)[0])


def test_half_precision_is_for_torchs_kernels():
    module = Recurrence("gru", 3, 4).to(torch.bfloat16)
    assert choose_backend(module, CPU) == "torch"
    module.backend = "compiled"
    with pytest.raises(ValueError, match="runs in float32 and float64, not in"):
        module(torch.randn(2, 2, 3, dtype=torch.bfloat16))


@pytest.mark.parametrize(
    ("cell", "B", "D", "shards"), [("lstm", 32, 64, 1), ("lstm", 32, 128, 2), ("lru_signed", 512, 512, 1)]
)
def test_a_batch_is_cut_where_more_threads_help(cell, B, D, shards):
    """From 2 million multiply-adds of a timestep on: of an LSTM with 32 samples from 126 units on."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        weights = [*Recurrence(cell, 1, D).parameters()][:2] if CELLS[cell].recurrent == "full" else []
        assert len(compiled._shards(B, weights)) == shards
    finally:
        torch.set_num_threads(before)


def test_a_forked_child_has_shards_of_its_own():
    code = (
        "import os, torch; from seqablate.engine.recurrence import Recurrence; torch.set_num_threads(2);"
        "from seqablate.engine.backends import compiled; compiled.THREADED = 0;"
        "m, x = Recurrence('rnn_tanh', 2, 3), torch.randn(4, 17, 2); m(x); child = os.fork();"
        "child or (m(x), os._exit(7)); print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "7\n"


def test_an_output_that_was_changed_in_place_is_noticed():
    module = Recurrence("gru", 2, 3)
    output, _ = module(torch.randn(4, 2, 2))
    output.detach().mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        output.sum().backward()


def test_input_of_any_layout_is_taken():
    torch.manual_seed(0)
    module = Recurrence("lstm", 3, 4).double()
    x_BTI = torch.randn(2, 6, 3, dtype=torch.float64)
    torch.testing.assert_close(module(x_BTI.transpose(0, 1))[0], module(x_BTI.transpose(0, 1).contiguous())[0])


def test_the_table_says_what_runs_where():
    gpu = torch.device("cuda")
    assert [choose_backend(Recurrence(cell, 2, 3), CPU) for cell in FUSED] == ["compiled"] * len(FUSED)
    assert choose_backend(Recurrence("lstm", 2, 3), gpu) == "torch"
    assert choose_backend(Recurrence("mgu", 2, 3), gpu) == "loop"
    assert choose_backend(Recurrence("lstm", 2, 3, dilation=4), CPU) == "compiled"
    assert choose_backend(Recurrence("lstm", 2, 3, dilation=4), gpu) == "torch"
    for options in ({"time_skip": 2}, {"layer_norm": True}):
        module = Recurrence("lstm", 2, 3, **options)
        assert [choose_backend(module, device) for device in (CPU, gpu)] == ["compiled", "loop"]
    for options, on_cpu in (({}, "compiled"), ({"layer_norm": True}, "compiled"), ({"time_skip": 2}, "loop")):
        module = Recurrence("mingru", 2, 3, **options)
        assert [choose_backend(module, device) for device in (CPU, gpu)] == [on_cpu, "loop"]


def test_what_torch_has_of_a_cell_and_what_kernels_it_has_are_two_facts():
    own = Recurrence(replace(CELLS["gru"], name="own", torch=None), 2, 3)
    theirs = Recurrence(replace(CELLS["gru"], kernels=None), 2, 3)
    gpu = torch.device("cuda")
    assert [choose_backend(own, device) for device in (CPU, gpu)] == ["compiled", "loop"]
    assert [choose_backend(theirs, device) for device in (CPU, gpu)] == ["torch", "torch"]
    assert refusal("torch", own, CPU) == "torch has no kernel of the cell own: use backend=compiled (on a CPU) or loop"
    assert refusal("compiled", theirs, CPU) == "the cell gru has no compiled kernel: use backend=torch or loop"
    x, found = torch.randn(5, 2, 2), []
    for module in (own, theirs):
        module.load_state_dict(own.state_dict())
        found.append(module(x)[0])
    torch.testing.assert_close(*found)


def test_a_backend_that_cannot_run_a_cell_says_what_can():
    assert refusal("torch", Recurrence("mgu", 2, 3), CPU).startswith("torch has no kernel of the cell mgu: use ")
    assert refusal("torch", Recurrence("lru_signed", 2, 3), CPU).endswith("use backend=compiled (on a CPU) or loop")
    assert refusal("compiled", Recurrence("lru_signed", 2, 3, time_skip=2), CPU) == (
        "the kernel of the cell lru_signed has no skip over time: only backend=loop runs it"
    )
    assert "not on cuda: use backend=torch" in refusal("compiled", Recurrence("lstm", 2, 3), torch.device("cuda"))
    for backend in ("torch", "compiled"):
        with pytest.raises(ValueError, match="the cell own has no kernel: only backend=loop runs it"):
            set_backend(Recurrence(replace(CELLS["gru"], name="own", torch=None, kernels=None), 2, 3), backend, CPU)
    for options, missing in (
        ({"layer_norm": True}, "layer norm inside the cell"),
        ({"time_skip": 4}, "skip over time"),
    ):
        with pytest.raises(ValueError, match=f"torch's kernels have no {missing}: use backend=compiled"):
            set_backend(Recurrence("gru", 2, 3, **options), "torch", CPU)


def test_the_choice_is_fixed_for_every_recurrence_of_a_model():
    model = torch.nn.ModuleList([Recurrence("lstm", 2, 3), Recurrence("gru", 3, 3)])
    assert set_backend(model, "auto", CPU) == "compiled"
    assert [module.backend for module in model] == ["compiled"] * 2
    assert set_backend(model, "torch", CPU) == "torch"
    assert (
        set_backend(torch.nn.ModuleList([*model, Recurrence("mingru", 3, 3, time_skip=2)]), "auto", CPU)
        == "compiled+loop"
    )
    assert set_backend(torch.nn.Linear(2, 2), "auto", CPU) == "none"


def test_without_numba_torchs_kernels_take_over(monkeypatch):
    monkeypatch.setattr(compiled, "available", lambda: False)
    assert choose_backend(Recurrence("lstm", 2, 3), CPU) == "torch"
    with pytest.raises(ValueError, match="pip install numba"):
        set_backend(Recurrence("lstm", 2, 3), "compiled", CPU)


@pytest.mark.slow
def test_compiling_is_announced_once_for_a_machine(tmp_path):
    code = (
        "import torch; from seqablate.engine.recurrence import Recurrence;"
        "from seqablate.engine.setup import prepare, set_backend;"
        "m = Recurrence('rnn_tanh', 2, 3); set_backend(m, 'auto', torch.device('cpu')); prepare(m, print)"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    said = [
        subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert said == ["rnn_tanh kernels for float32\n", ""]


@pytest.mark.parametrize("cell", FUSED)
def test_a_second_derivative_is_refused_in_one_line_and_was_not_left_out(cell):
    """A gradient penalty: the sum of the loss and of a gradient's square."""
    torch.manual_seed(0)
    module, x, _, _ = problem(cell, 4, 2, 2, 3)
    gradients = {}
    for backend in ("loop", *(backend for name, backend in FAST if name == cell)):
        module.backend = backend
        loss = module(x)[0].sum()
        (d_x,) = torch.autograd.grad(loss, x, create_graph=True)
        if backend == "compiled":
            with pytest.raises(RuntimeError, match="no second derivative") as refusal:
                (loss + d_x.square().sum()).backward()
            assert "create_graph=True" in str(refusal.value)
            assert "\n" not in str(refusal.value)
        else:
            gradients[backend] = torch.autograd.grad(loss + d_x.square().sum(), x)[0]
    for found in gradients.values():
        torch.testing.assert_close(found, gradients["loop"])
    torch.testing.assert_close(d_x, torch.autograd.grad(module(x)[0].sum(), x)[0])  # the first one is right


@pytest.mark.parametrize("scale", [0.1, 10.0])
@pytest.mark.parametrize("backend", ["loop", "torch", "compiled"])
def test_in_float64_norms_are_right_although_their_squares_are_out_of_range(backend, scale):
    """With h_t = scale * Q h_{t-1}, dL/dh_{T-k} has the norm scale^k of the last one: down to 1e-250, up to 1e250."""
    module, found = Recurrence("rnn_relu", 1, 4).double(), []
    module.backend = backend
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
        module.weight_hh.copy_(scale * torch.eye(4, dtype=torch.float64).roll(1, 0))
        module.bias_ih.fill_(1e-290)  # every unit is above 0, and none overflows
    output, _ = module(torch.zeros(251, 2, 1, dtype=torch.float64), None, Observer(found.append))
    (output[-1] * torch.tensor([3.0, 4.0, 0.0, 0.0])).sum().backward()
    wanted_T = 5.0 * scale ** torch.arange(250, -1, -1, dtype=torch.float64)
    torch.testing.assert_close(found[0].norms("total")["h"], wanted_T[:, None].expand(-1, 2), rtol=1e-10, atol=0)
