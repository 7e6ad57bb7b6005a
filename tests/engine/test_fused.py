"""Both fast paths of a call of torch's kernels against the plain loop of cells: every layer, direction and timestep.

One brings the gradients out of torch's kernels, the other makes the call on our own where they fit.
"""

from __future__ import annotations

from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import Trace, loop
from recurrences import CELLS, errors, initial_states, kernel_args, kernel_call, recurrence
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from seqablate.engine.backends import stack
from seqablate.engine.backends import torch as torch_kernels
from seqablate.engine.backends.torch_call import KernelCall
from seqablate.engine.gradients import Gradients
from seqablate.engine.precision import full_precision

EXACT = 1e-9

# torch says so of its own calls as well.
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")


def paths(call: KernelCall) -> list:
    """The fast paths that a call may take."""
    return [torch_kernels.run, *([stack.run] if stack.fits(call) else [])]


def fast(call: KernelCall, run=torch_kernels.run) -> tuple[tuple[Tensor, ...], dict[int, list[Gradients]]]:
    """A fast path's results, and what its backward pass will report."""
    found: dict[int, list[Gradients]] = {}
    kernel = getattr(torch._VF, call.cell)
    return run(kernel, call, found.__setitem__), found


def weighted(results: tuple[Tensor, ...], weights: list[Tensor]) -> Tensor:
    return sum((r * w).sum() for r, w in zip(results, weights, strict=True))


def oracle_results(call: KernelCall, trace: Trace) -> tuple[Tensor, ...]:
    """The oracle's results in the kernel's layout."""
    padding = call.padding()
    output = trace.output if padding is None else trace.output[padding.valid_TB]
    return (output.transpose(0, 1) if call.batch_first else output, *trace.final)


def check(module: nn.RNNBase, x: Tensor | PackedSequence, hx: tuple[Tensor, ...], on: str = "ohc") -> None:
    """Totals, direct parts, results and parameter gradients; ``on`` names the results that the loss takes in."""
    call, parameters = kernel_call(module, x, hx), list(module.parameters())
    plain = getattr(torch._VF, call.cell)(*kernel_args(module, x, hx))
    weights = [torch.randn_like(r) * (name in on) for name, r in zip("ohc", plain, strict=False)]
    gradients = torch.autograd.grad(weighted(plain, weights), parameters)
    told = []
    for run in paths(call):
        results, found = fast(call, run)
        torch.testing.assert_close(results, tuple(plain))
        torch.testing.assert_close(torch.autograd.grad(weighted(results, weights), parameters), gradients)
        told.append(found)

    padding = call.padding()
    for cut in (None, *range(module.num_layers)):
        trace = loop(call, cut=cut)
        weighted(oracle_results(call, trace), weights).backward(inputs=parameters)
        for layer in range(module.num_layers) if cut is None else (cut,):
            for path, direction in product(range(len(told)), range(1 + module.bidirectional)):
                gradients = told[path][layer][direction]
                for state, got in (gradients.total if cut is None else gradients.direct).items():
                    wanted = trace.gradient(layer, direction, state)
                    worst = errors(got, wanted, None if padding is None else padding.valid_TB).max()
                    assert worst <= EXACT, (path, cut, layer, direction, state)
                    known = gradients.norms("total" if cut is None else "direct")[state]
                    if padding is None:
                        torch.testing.assert_close(known, wanted.norm(dim=-1), rtol=EXACT, atol=0)


@pytest.mark.parametrize("form", ["time first", "batch first", "packed"])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one-way", "two-way"])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_every_gradient_is_the_loops(cell, layers, bidirectional, bias, form):
    torch.manual_seed(0)
    module = recurrence(
        cell, 3, 4, num_layers=layers, bidirectional=bidirectional, bias=bias, batch_first=form == "batch first"
    ).double()
    x = torch.randn(6, 3, 3, dtype=torch.float64)
    hx = initial_states(module, 3, x)
    if form == "packed":
        x = pack_padded_sequence(x, [6, 3, 1])
    check(module, x.transpose(0, 1) if form == "batch first" else x, hx)


@pytest.mark.parametrize("on", ["o", "h", "c", "hc"])
@pytest.mark.parametrize("packed", [False, True], ids=["padded", "packed"])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one-way", "two-way"])
def test_a_loss_on_any_result_alone_reaches_every_state(on, packed, bidirectional):
    module = nn.LSTM(3, 5, num_layers=2, bidirectional=bidirectional).double()
    x_TBI = torch.randn(7, 3, 3, dtype=torch.float64)
    check(module, pack_padded_sequence(x_TBI, [7, 5, 2]) if packed else x_TBI, initial_states(module, 3, x_TBI), on)


@pytest.mark.parametrize("cell", CELLS)
def test_a_last_step_loss_is_followed_back_two_hundred_steps(cell):
    module = recurrence(cell, 3, 8).double()
    x_TBI = torch.randn(200, 2, 3, dtype=torch.float64)
    check(module, x_TBI, initial_states(module, 2, x_TBI), "h")


@settings(max_examples=60, deadline=None)
@given(
    cell=st.sampled_from(sorted(CELLS)),
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    inputs=st.integers(1, 5),
    hidden=st.integers(3, 6),
    layers=st.integers(1, 3),
    bidirectional=st.booleans(),
    scale=st.sampled_from([0.1, 1.0, 4.0]),
    seed=st.integers(0, 10_000),
)
def test_shapes_lengths_and_weights_do_not_matter(cell, lengths, inputs, hidden, layers, bidirectional, scale, seed):
    torch.manual_seed(seed)
    module = recurrence(cell, inputs, hidden, num_layers=layers, bidirectional=bidirectional).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(scale)
    x_TBI = torch.randn(max(lengths), len(lengths), inputs, dtype=torch.float64)
    hx = initial_states(module, len(lengths), x_TBI)
    check(module, pack_padded_sequence(x_TBI, lengths, enforce_sorted=False), hx)


def float32_errors(module: nn.RNNBase, x_TBI: Tensor, device: str = "cpu") -> tuple[Tensor, Tensor]:
    """Errors of the fast paths and of a plain loop, all in float32, against the loop in float64 (last-step loss).

    Of the two paths the larger ones, norm by norm.
    """
    hx = initial_states(module, x_TBI.shape[1], x_TBI)
    double = type(module)(
        module.input_size, module.hidden_size, module.num_layers, **_options(module), device=device
    ).double()
    double.load_state_dict(module.state_dict())
    exact = loop(kernel_call(double, x_TBI.double(), tuple(h.double() for h in hx)))
    exact.output[-1].sum().backward()
    plain = loop(kernel_call(module, x_TBI, hx))
    plain.output[-1].sum().backward()
    call, mine = kernel_call(module, x_TBI, hx), []
    for run in paths(call):
        (output, *_), found = fast(call, run)
        output[-1].sum().backward()
        mine.append(torch.cat([errors(got, exact.gradient(*where)) for where, got in _totals(found)]))
    its = [errors(plain.gradient(*where), exact.gradient(*where)) for where, _ in _totals(found)]
    return torch.stack(mine).amax(0), torch.cat(its)


def _totals(found: dict[int, list[Gradients]]):
    """(layer, direction, state) and its total gradients [T, B, D]."""
    for layer, directions in sorted(found.items()):
        for direction, gradients in enumerate(directions):
            for state, got in gradients.total.items():
                yield (layer, direction, state), got


def _options(module: nn.RNNBase) -> dict:
    extra = {"nonlinearity": module.nonlinearity} if isinstance(module, nn.RNN) else {"proj_size": module.proj_size}
    return {"bidirectional": module.bidirectional} | ({} if isinstance(module, nn.GRU) else extra)


@pytest.mark.parametrize("cell", CELLS)
def test_in_float32_it_errs_as_little_as_a_float32_loop(cell):
    torch.manual_seed(0)
    mine, its = float32_errors(recurrence(cell, 3, 16, num_layers=2, bidirectional=True), torch.randn(40, 4, 3), "cpu")
    assert mine.max() <= 10 * its.max()
    assert mine.median() <= 10 * its.median()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("cell", CELLS)
def test_in_float32_on_a_gpu_it_errs_as_cudnn_does(cell):
    """On an H100 by up to 1.6e-5, three to thirty times as much as a loop; with TensorFloat-32 by 4e-3."""
    torch.manual_seed(0)
    module = recurrence(cell, 3, 16, num_layers=2, bidirectional=True).to("cuda")
    with full_precision():
        mine, _ = float32_errors(module, torch.randn(40, 4, 3, device="cuda"), "cuda")
    assert mine.max() <= 5e-5


def test_saturated_cells_cost_no_more_accuracy_than_they_cost_a_loop():
    """Where tanh(c) is nearly 1, 1 - tanh(c)^2 cancels, in a loop as here."""
    torch.manual_seed(0)
    module = nn.LSTM(3, 16)
    with torch.no_grad():
        module.weight_ih_l0.mul_(8)
        module.bias_ih_l0[16:32] = 8  # the forget gate stays open, so that c grows
    mine, its = float32_errors(module, torch.randn(60, 4, 3))
    assert mine.max() <= 10 * its.max()
    assert mine.median() <= 10 * its.median()


def test_a_chaotic_rnn_is_followed_as_far_as_float32_allows():
    torch.manual_seed(0)
    module = nn.RNN(3, 64)
    with torch.no_grad():
        module.weight_hh_l0.normal_(std=1.5 / 64**0.5)
    mine, its = float32_errors(module, torch.randn(60, 4, 3))
    assert its.max() > 1e-5  # else this would show nothing
    assert mine.max() <= 10 * its.max()


def test_an_output_gate_that_underflows_stops_the_gradient_without_nan():
    module = nn.LSTM(2, 3)
    with torch.no_grad():
        module.bias_ih_l0[9:] = -200.0
    x_TBI = torch.randn(4, 2, 2)
    call = kernel_call(module, x_TBI, initial_states(module, 2, x_TBI))
    for run in paths(call):
        (output, _, c_n), found = fast(call, run)
        (output.sum() + c_n.sum()).backward()
        assert found[0][0].total["c"].isfinite().all()
        assert found[0][0].direct["c"][:-1].max() < 1e-37


@pytest.mark.parametrize("packed", [False, True], ids=["padded", "packed"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("cell", CELLS)
def test_dropout_between_layers_is_torchs_from_the_same_generator(cell, dtype, packed):
    module = recurrence(cell, 3, 8, num_layers=3, dropout=0.4, batch_first=not packed, bidirectional=True).to(dtype)
    x = torch.randn(4, 5, 3, dtype=dtype)
    if packed:
        x = pack_padded_sequence(x, [4, 3, 3, 2, 1])
    hx = initial_states(module, 5 if packed else 4, torch.zeros((), dtype=dtype))
    torch.manual_seed(3)
    wanted = getattr(torch._VF, module.mode.lower())(*kernel_args(module, x, hx))
    call = kernel_call(module, x, hx)
    for run in paths(call):
        torch.manual_seed(3)
        torch.testing.assert_close(fast(call, run)[0], tuple(wanted))


@pytest.mark.parametrize("cell", CELLS)
def test_our_kernels_take_the_calls_that_fit_them_and_no_others(cell):
    module, x_TBI = recurrence(cell, 3, 4), torch.randn(5, 2, 3)
    hx = initial_states(module, 2, x_TBI)
    assert stack.fits(kernel_call(module, x_TBI, hx)) == (cell != "lstm_projected")
    assert not stack.fits(kernel_call(module, pack_padded_sequence(x_TBI, [5, 3]), hx))
    assert not stack.fits(kernel_call(module.bfloat16(), x_TBI.bfloat16(), tuple(h.bfloat16() for h in hx)))
    meta = kernel_call(module.to("meta"), x_TBI.to("meta"), tuple(h.to("meta") for h in hx))
    assert not stack.fits(meta)
