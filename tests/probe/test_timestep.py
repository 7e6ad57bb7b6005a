"""TimestepProbe on modules as people use them."""

from __future__ import annotations

import copy
import threading
from contextlib import nullcontext

import pytest
import torch
from oracle import loop
from recurrences import CELLS, initial_states, kernel_call, recurrence
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_sequence
from torch.utils.checkpoint import checkpoint
from torch.utils.tensorboard import SummaryWriter

from seqablate.engine.recurrence import Recurrence
from seqablate.probe import TimestepProbe


class Tagger(nn.Module):
    """Two recurrences in one model, the second reading the first."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.ModuleDict({"rnn": nn.LSTM(3, 4, batch_first=True, bidirectional=True)})
        self.decoder = nn.GRU(8, 5, batch_first=True)
        self.head = nn.Linear(5, 2)

    def forward(self, x_BTI: Tensor) -> Tensor:
        return self.head(self.decoder(self.encoder["rnn"](x_BTI)[0])[0])


def last_step_loss(module: nn.RNNBase, x_TBI: Tensor) -> Tensor:
    return module(x_TBI)[0][-1].square().sum()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
def test_totals_are_the_norms_of_a_plain_loop(cell):
    module = recurrence(cell, 3, 4, num_layers=2, bidirectional=True).double()
    x_TBI = torch.randn(6, 3, 3, dtype=torch.float64)
    hx = initial_states(module, 3, x_TBI)
    with TimestepProbe(module) as probe:
        module(x_TBI, hx if module.mode == "LSTM" else hx[0])[0].square().sum().backward()
    trace = loop(kernel_call(module, x_TBI, hx))
    trace.output.square().sum().backward()
    assert set(probe[""].total) == ({"h", "c"} if module.mode == "LSTM" else {"h"})
    for state, norms_LSTB in probe[""].total.items():
        assert norms_LSTB.dtype == torch.float64
        wanted = torch.stack(
            [torch.stack([trace.gradient(layer, s, state).norm(dim=-1) for s in range(2)]) for layer in range(2)]
        )
        torch.testing.assert_close(norms_LSTB, wanted, rtol=1e-9, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_outputs_and_parameter_gradients_stay_what_they_were(dtype):
    model, x_BTI = Tagger().to(dtype), torch.randn(2, 7, 3, dtype=dtype)
    wanted = model(x_BTI)
    wanted.square().sum().backward()
    gradients = [p.grad for p in model.parameters()]
    model.zero_grad()
    with TimestepProbe(model) as probe:
        output = model(x_BTI)
        output.square().sum().backward()
    assert probe.names == ("encoder.rnn", "decoder")
    torch.testing.assert_close(output, wanted)
    torch.testing.assert_close([p.grad for p in model.parameters()], gradients)
    assert probe["encoder.rnn"].total["c"].shape == (1, 2, 7, 2)
    assert probe["decoder"].total["h"].shape == (1, 1, 7, 2)


def test_direct_is_what_the_loss_sends_and_total_what_comes_back_as_well():
    module, x_TBI = nn.RNN(3, 4), torch.randn(9, 2, 3)
    with TimestepProbe(module) as probe:
        last_step_loss(module, x_TBI).backward()
    assert not probe[""].direct["h"][0, 0, :-1].any()
    assert (probe[""].total["h"] > 0).all()
    assert torch.equal(probe[""].direct["h"][0, 0, -1], probe[""].total["h"][0, 0, -1])


def test_samples_of_unequal_length_stand_in_the_callers_order_with_nan_behind_their_end():
    module, lengths = nn.LSTM(3, 4, bidirectional=True).double(), [2, 5, 4]
    samples = [torch.randn(n, 3, dtype=torch.float64) for n in lengths]
    with TimestepProbe(module, vectors=True) as probe:
        _, (h_n, _) = module(pack_sequence(samples, enforce_sorted=False))
        (h_n * torch.arange(1.0, 4)[None, :, None]).sum().backward()
    for b, (sample, n) in enumerate(zip(samples, lengths, strict=True)):
        trace = loop(kernel_call(module, sample[:, None], _zeros(module)))
        ((b + 1) * trace.final[0]).sum().backward()
        for state in ("h", "c"):
            for s in range(2):
                wanted_TD = trace.gradient(0, s, state)[:, 0]
                norms_T = probe[""].total[state][0, s, :, b]
                torch.testing.assert_close(norms_T[:n], wanted_TD.norm(dim=-1), rtol=1e-9, atol=0)
                assert norms_T[n:].isnan().all()
                vectors_TD = probe[""].vectors[state][0][s][:, b]
                torch.testing.assert_close(vectors_TD[:n], wanted_TD, rtol=1e-9, atol=1e-15)
                assert not vectors_TD[n:].any()


def _zeros(module: nn.RNNBase) -> tuple[Tensor, ...]:
    rows = module.num_layers * (2 if module.bidirectional else 1)
    return (torch.zeros(rows, 1, module.hidden_size).to(module.weight_ih_l0),) * 2


def test_unbatched_input_is_a_batch_of_one():
    module, x_TBI = nn.LSTM(3, 4), torch.randn(5, 1, 3)
    with TimestepProbe(module) as one:
        last_step_loss(module, x_TBI).backward()
    with TimestepProbe(module) as unbatched:
        last_step_loss(module, x_TBI[:, 0]).backward()
    torch.testing.assert_close(unbatched[""].total, one[""].total)


def test_calls_of_one_module_are_joined_along_time_when_their_batches_agree():
    module, x_TBI = nn.GRU(3, 4).double(), torch.randn(8, 2, 3, dtype=torch.float64)
    with TimestepProbe(module, vectors=True) as whole:
        last_step_loss(module, x_TBI).backward()
    with TimestepProbe(module, vectors=True) as halves:
        _, state = module(x_TBI[:5])
        module(x_TBI[5:], state)[0][-1].square().sum().backward()
    assert [call.total["h"].shape[2] for call in halves[""].calls] == [5, 3]
    torch.testing.assert_close(halves[""].total, whole[""].total, rtol=1e-9, atol=0)
    torch.testing.assert_close(halves[""].vectors, whole[""].vectors)


def test_calls_with_unequal_batches_are_joined_and_the_missing_samples_marked():
    module = nn.GRU(3, 4)
    with TimestepProbe(module, vectors=True) as probe:
        sum(last_step_loss(module, torch.randn(5, batch, 3)) for batch in (2, 3)).backward()
    total_TB, valid_TB = probe[""].total["h"][0, 0], probe[""].valid[0, 0]
    assert torch.equal(total_TB[5:], probe[""].calls[1].total["h"][0, 0])
    assert torch.equal(total_TB[:5, :2], probe[""].calls[0].total["h"][0, 0])
    assert torch.equal(valid_TB, ~total_TB.isnan())
    assert (valid_TB.sum().item(), total_TB.numel()) == (25, 30)
    assert torch.equal(probe[""].vectors["h"][0][0].norm(dim=-1) > 0, valid_TB)


@pytest.mark.parametrize("sizes", [(3, 1), (2, 2)])
def test_micro_batches_of_backward_passes_of_their_own_are_more_samples(sizes):
    torch.manual_seed(0)
    module, batches = nn.GRU(3, 4), [torch.randn(5 + n, size, 3) for n, size in enumerate(sizes)]
    with TimestepProbe(module) as probe:
        for x_TBI in batches:
            last_step_loss(module, x_TBI).backward()
    total_TB, valid_TB = probe[""].total["h"][0, 0], probe[""].valid[0, 0]
    assert total_TB.shape == (6, 4)
    for x_TBI, columns in zip(batches, ([*range(sizes[0])], [*range(sizes[0], 4)]), strict=True):
        with TimestepProbe(module) as alone:
            last_step_loss(module, x_TBI).backward()
        torch.testing.assert_close(total_TB[: len(x_TBI), columns], alone[""].total["h"][0, 0])
        assert not valid_TB[len(x_TBI) :, columns].any()


def test_two_backward_passes_add_up_as_grad_does():
    module, x_TBI = nn.LSTM(3, 4).double(), torch.randn(6, 2, 3, dtype=torch.float64)
    with TimestepProbe(module) as both:
        output, (h_n, _) = module(x_TBI)
        h_n.sum().backward(retain_graph=True)
        after_one = both[""].total["h"]
        output[2].square().sum().backward()
    with TimestepProbe(module) as once:
        output, (h_n, _) = module(x_TBI)
        (h_n.sum() + output[2].square().sum()).backward()
    torch.testing.assert_close(both[""].total, once[""].total, rtol=1e-9, atol=1e-15)
    torch.testing.assert_close(both[""].direct, once[""].direct, rtol=1e-9, atol=1e-15)
    assert not torch.allclose(after_one, once[""].total["h"])


def test_norms_do_not_underflow_where_float32_squares_would():
    torch.manual_seed(0)
    module = nn.RNN(2, 50)
    with TimestepProbe(module, vectors=True) as probe:
        module(torch.randn(120, 20, 2))[0][-1].sum().backward()
    norms_TB, vectors_TBD = probe[""].total["h"][0, 0], probe[""].vectors["h"][0][0]
    assert 1e-26 < norms_TB[20].mean() < 1e-20  # at lag 99
    torch.testing.assert_close(norms_TB, vectors_TBD.double().norm(dim=-1), rtol=1e-12, atol=0)


def test_a_gradient_hook_of_the_callers_is_seen():
    module, x_TBI = nn.LSTM(3, 4), torch.randn(5, 2, 3)
    totals = []
    for scale in (1.0, 3.0):
        with TimestepProbe(module) as probe:
            output, _ = module(x_TBI)
            output.register_hook(lambda g, scale=scale: scale * g)
            output.sum().backward()
        totals.append(probe[""].total["h"] / scale)
    torch.testing.assert_close(*totals)


def test_calls_without_gradients_are_not_recorded():
    module, x_TBI = nn.GRU(3, 4), torch.randn(5, 2, 3)
    with TimestepProbe(module) as probe:
        with torch.no_grad():
            module(x_TBI)
        last_step_loss(module, x_TBI).backward()
        with torch.inference_mode():
            module(x_TBI)
    assert len(probe[""].calls) == 1


def test_frozen_parameters_do_not_hide_the_gradient():
    module, x_TBI = nn.LSTM(3, 4, num_layers=2), torch.randn(5, 2, 3)
    with TimestepProbe(module) as probe:
        last_step_loss(module, x_TBI).backward()
    frozen = copy.deepcopy(module).requires_grad_(False)
    with TimestepProbe(frozen) as frozen_probe:
        last_step_loss(frozen, x_TBI).backward()
    torch.testing.assert_close(frozen_probe[""].total, probe[""].total)
    assert all(parameter.grad is None for parameter in frozen.parameters())


def test_autograd_grad_of_anything_upstream_is_enough():
    module, x_TBI = nn.GRU(3, 4), torch.randn(5, 2, 3, requires_grad=True)
    with TimestepProbe(module) as wanted:
        last_step_loss(module, x_TBI).backward()
    for leaf in (x_TBI, module.weight_ih_l0):
        with TimestepProbe(module) as probe:
            torch.autograd.grad(last_step_loss(module, x_TBI), leaf)
        torch.testing.assert_close(probe[""].total, wanted[""].total)


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.parametrize("cell", CELLS)
def test_an_optimizer_that_steps_inside_the_backward_pass_changes_nothing(cell):
    module, x_TBI = recurrence(cell, 3, 4, bidirectional=True), torch.randn(5, 2, 3)
    with TimestepProbe(module) as wanted:
        last_step_loss(module, x_TBI).backward()
    module.zero_grad()

    def step(parameter: Tensor) -> None:
        parameter.data.add_(1.0)

    for parameter in module.parameters():
        parameter.register_post_accumulate_grad_hook(step)
    with TimestepProbe(module) as probe:
        last_step_loss(module, x_TBI).backward()
    torch.testing.assert_close(probe[""].total, wanted[""].total)


@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}, {"bias": False}])
@pytest.mark.parametrize("make", [nn.RNN, nn.GRU, nn.LSTM])
def test_double_backward_through_a_probed_call_is_unchanged(make, options):
    module = make(3, 4, **options).double()
    x_TBI = torch.randn(5, 2, 3, dtype=torch.float64, requires_grad=True)

    def penalty() -> Tensor:
        inputs = [x_TBI, *module.parameters()]
        grads = torch.autograd.grad(last_step_loss(module, x_TBI), inputs, create_graph=True)
        return sum(g.square().sum() for g in grads)

    wanted = torch.autograd.grad(penalty(), list(module.parameters()))
    with TimestepProbe(module) as probe:
        found = torch.autograd.grad(penalty(), list(module.parameters()))
    torch.testing.assert_close(found, wanted)
    with pytest.raises(RuntimeError, match=r"after one with create_graph=True: .* `with probe\.pause\(\):`"):
        probe[""].total  # noqa: B018
    with TimestepProbe(module) as wanted_probe:
        last_step_loss(module, x_TBI).backward()
    with TimestepProbe(module) as probe:
        loss = penalty()
        with probe.pause():
            loss.backward()
    assert not probe[""].total["h"].requires_grad
    torch.testing.assert_close(probe[""].total, wanted_probe[""].total)
    with TimestepProbe(module) as probe:
        with probe.pause():
            module(x_TBI)
            loss = last_step_loss(module, x_TBI)
        assert not probe[""].calls
        output, _ = module(x_TBI)
        with probe.pause():
            (g,) = torch.autograd.grad(output[-1].sum(), module.weight_hh_l0, create_graph=True)
        g.square().sum().backward()
    with pytest.raises(RuntimeError, match="after one with create_graph=True"):  # though that one was not recorded
        probe[""].total  # noqa: B018


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.parametrize("early_stop", [True, False])
@pytest.mark.parametrize("cell", [*CELLS, "compiled", "loop"])
def test_a_recurrence_under_gradient_checkpointing_is_measured_once(cell, early_stop):
    torch.manual_seed(0)
    own = {"compiled": "lstm", "loop": "mgu"}
    module = (
        Recurrence(own[cell], 3, 4)
        if cell in own
        else recurrence(cell, 3, 4, num_layers=2, bidirectional=True, dropout=0.2)
    ).double()
    if cell in own:
        module.backend = cell
    x_TBI, found = torch.randn(6, 2, 3, dtype=torch.float64, requires_grad=True), []

    def again(x_TBI: Tensor) -> Tensor:
        return checkpoint(lambda x_TBI: module(x_TBI)[0], x_TBI, use_reentrant=False, early_stop=early_stop)

    for call in (lambda x_TBI: module(x_TBI)[0], again):
        torch.manual_seed(5)
        module.zero_grad()
        with TimestepProbe(module) as probe:
            call(x_TBI)[-1].square().sum().backward()
        assert len(probe[""].calls) == 1
        found.append((probe[""].total, probe[""].direct, [p.grad for p in module.parameters()]))
    torch.testing.assert_close(found[1], found[0], rtol=1e-9, atol=1e-15)


def test_ctrl_c_in_a_recurrence_leaves_nothing_switched_on():
    module = nn.LSTM(3, 4)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    module.register_forward_hook(interrupt)
    with pytest.raises(KeyboardInterrupt), TimestepProbe(module):
        module(torch.randn(5, 2, 3))
    assert torch._C._len_torch_function_stack() == 0


def test_parametrized_weights_are_followed():
    module = nn.GRU(3, 4).double()
    nn.utils.parametrizations.weight_norm(module, "weight_hh_l0")
    x_TBI = torch.randn(5, 2, 3, dtype=torch.float64)
    wanted = torch.autograd.grad(last_step_loss(module, x_TBI), list(module.parameters()), allow_unused=True)
    with TimestepProbe(module) as probe:
        loss = last_step_loss(module, x_TBI)
        found = torch.autograd.grad(loss, list(module.parameters()), allow_unused=True)
    torch.testing.assert_close(found, wanted)
    assert (probe[""].total["h"] > 0).all()


def test_without_the_cell_state_only_h_is_recorded():
    module, x_TBI = nn.LSTM(3, 4), torch.randn(5, 2, 3)
    with TimestepProbe(module, states=("h",)) as probe:
        last_step_loss(module, x_TBI).backward()
    assert list(probe[""].total) == ["h"]
    with pytest.raises(ValueError, match="states must be"):
        TimestepProbe(module, states=("c",))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Linear(3, 4), r"holds no nn.RNN, nn.LSTM, nn.GRU .* and no Recurrence: .* unless outputs="),
        (lambda: torch.compile(nn.LSTM(3, 4), backend="eager"), "the model is compiled"),
        (lambda: nn.Sequential(_compiled_in_place()), "submodule '0' is compiled"),
        (lambda: nn.Sequential(torch.jit.script(nn.LSTM(3, 4))), "submodule '0' is a torch.jit.ScriptModule"),
        (lambda: nn.DataParallel(nn.LSTM(3, 4)), "is an nn.DataParallel"),
    ],
)
def test_models_that_cannot_be_watched_are_refused_by_name(make, message):
    probe = TimestepProbe(make())
    with pytest.raises(TypeError, match=message), probe:
        pass


def _compiled_in_place() -> nn.Module:
    module = nn.LSTM(3, 4)
    module.compile(backend="eager")
    return module


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, x: torch.func.grad(lambda x: m(x)[0].sum())(x), "torch.func transform"),
        (lambda m, x: torch.func.vmap(lambda x: m(x)[0])(x[None]), "torch.func transform"),
        (lambda m, x: torch.jit.trace(m, (x,)), "traced"),
    ],
)
def test_calls_that_cannot_be_recorded_are_refused_by_name(call, message):
    module = nn.GRU(3, 4)
    with TimestepProbe(module), pytest.raises(RuntimeError, match=message):
        call(module, torch.randn(5, 2, 3))


def test_one_module_is_probed_by_one_probe_at_a_time():
    module = nn.GRU(3, 4)
    probe = TimestepProbe(module)
    with probe:
        for second in (probe, TimestepProbe(nn.Sequential(module))):
            with pytest.raises(RuntimeError, match="probed already"), second:
                pass
    with probe:
        last_step_loss(module, torch.randn(5, 2, 3)).backward()
    assert len(probe[""].calls) == 1


def test_nothing_stays_behind_even_when_the_block_raises():
    module, kernel = nn.LSTM(3, 4), torch._VF.lstm
    probe = TimestepProbe(module)

    def body() -> None:
        with probe:
            module(torch.randn(5, 2, 3))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        body()
    assert not module._forward_hooks
    assert not module._forward_pre_hooks
    assert torch._VF.lstm == kernel
    last_step_loss(module, torch.randn(5, 2, 3)).backward()
    assert len(probe[""].calls) == 1


def test_a_call_that_torch_refuses_leaves_the_probe_in_order():
    module = nn.LSTM(3, 4)
    with TimestepProbe(module) as probe:
        with pytest.raises(RuntimeError, match="Expected 3, got 2"):
            module(torch.randn(5, 2, 2))
        last_step_loss(nn.LSTM(3, 4), torch.randn(5, 2, 3)).backward()
        last_step_loss(module, torch.randn(5, 2, 3)).backward()
    assert probe[""].total["h"].shape == (1, 1, 5, 2)


def test_other_threads_and_other_modules_go_their_own_way():
    module, other, x_TBI = nn.LSTM(3, 4), nn.LSTM(3, 4), torch.randn(5, 2, 3)
    with TimestepProbe(module) as probe:
        thread = threading.Thread(target=lambda: last_step_loss(module, x_TBI).backward())
        thread.start()
        thread.join()
        last_step_loss(other, x_TBI).backward()
        last_step_loss(module, x_TBI).backward()
    assert len(probe[""].calls) == 1


def test_what_was_not_measured_is_said():
    module = nn.LSTM(3, 4)
    with TimestepProbe(module) as probe:
        pass
    with pytest.raises(RuntimeError, match="no call of '' was recorded"):
        probe[""].total  # noqa: B018
    with pytest.raises(KeyError, match="no probed module is called 'rnn'; there are: ''"):
        probe["rnn"]
    with probe:
        loss = last_step_loss(module, torch.randn(5, 2, 3))
    loss.backward()
    with pytest.raises(RuntimeError, match=r"call backward\(\) inside"):
        probe[""].total  # noqa: B018
    with probe:
        last_step_loss(module, torch.randn(5, 2, 3)).backward()
    with pytest.raises(RuntimeError, match="vectors=True"):
        probe[""].vectors  # noqa: B018


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
def test_an_output_changed_in_place_is_refused_rather_than_measured_wrongly():
    module = nn.LSTM(3, 4, proj_size=2)
    with TimestepProbe(module):
        output, _ = module(torch.randn(5, 2, 3))
        with pytest.raises(RuntimeError, match="modified in place"):
            output.mul_(2).sum().backward()


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell != "lstm_projected"])
def test_on_our_kernels_an_output_may_be_changed_in_place(cell):
    module, x_TBI = recurrence(cell, 3, 4, num_layers=2), torch.randn(5, 2, 3)
    with TimestepProbe(module) as wanted:
        module(x_TBI)[0].mul(2).sum().backward()
    with TimestepProbe(module) as probe:
        module(x_TBI)[0].mul_(2).sum().backward()
    torch.testing.assert_close(probe[""].total, wanted[""].total)


def test_the_profile_is_drawn_and_logged_under_few_tags(tmp_path):
    model = Tagger()
    with TimestepProbe(model) as probe:
        model(torch.randn(2, 7, 3)).square().sum().backward()
    assert probe.plot(tmp_path / "profile.png").stat().st_size > 5000
    with SummaryWriter(tmp_path) as writer:
        probe.log(writer, 30)
    events = EventAccumulator(str(tmp_path), size_guidance={"scalars": 0, "images": 0}).Reload()
    assert events.Tags()["images"] == ["timestep_gradient/profile"]
    assert len(events.Tags()["scalars"]) == 4 * 5
    (first,) = events.Scalars("timestep_gradient_log10/encoder.rnn_c_layer_0_reverse/first_timestep")
    wanted = probe["encoder.rnn"].total["c"][0, 1, 0].mean().log10()
    assert (first.step, first.value) == (30, pytest.approx(float(wanted), rel=1e-5))


def test_a_gradient_of_zero_is_logged_as_one(tmp_path):
    module = nn.RNN(3, 4)
    with TimestepProbe(module) as probe:
        module(torch.randn(5, 2, 3))[0][0].sum().backward()
    with SummaryWriter(tmp_path) as writer:
        probe.log(writer, 0)
    events = EventAccumulator(str(tmp_path)).Reload()
    (last,) = events.Scalars("timestep_gradient_log10/h_layer_0/last_timestep")
    (vanished,) = events.Scalars("timestep_gradient_vanished/h_layer_0")
    assert (last.value, vanished.value) == (-float("inf"), pytest.approx(0.8))


@pytest.mark.parametrize("vectors", [True, False])
def test_two_passes_through_a_compiled_recurrence_add_up_when_vectors_are_kept(vectors):
    """Norms alone cannot be added; then the second pass is refused rather than measured wrongly."""
    torch.manual_seed(0)
    model, x_TBI = Recurrence("lstm", 3, 4).double(), torch.randn(6, 2, 3, dtype=torch.float64)
    with TimestepProbe(model) as once:
        output, (h_n, _) = model(x_TBI)
        (output.sum() + h_n.square().sum()).backward()
    with TimestepProbe(model, vectors=vectors) as twice:
        output, (h_n, _) = model(x_TBI)
        output.sum().backward(retain_graph=True)
        h_n.square().sum().backward()
    if not vectors:
        with pytest.raises(RuntimeError, match=r"two backward passes .* use TimestepProbe\(model, vectors=True\)"):
            twice[""].total  # noqa: B018
        return
    for state in ("h", "c"):
        torch.testing.assert_close(twice[""].total[state], once[""].total[state], rtol=1e-9, atol=0)


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU])
def test_the_input_of_a_frozen_recurrence_may_be_changed_in_place_behind_it(kind):
    """torch keeps no input where no weight wants a gradient."""
    module, x_TBI = kind(2, 3).requires_grad_(False), torch.randn(4, 2, 2, requires_grad=True)
    found = []
    for probed in (False, True):
        given = x_TBI * 1
        with TimestepProbe(module) if probed else nullcontext():
            output, _ = module(given)
            given.add_(1)
            found.append(torch.autograd.grad(output.square().sum(), x_TBI)[0])
    torch.testing.assert_close(*found)
