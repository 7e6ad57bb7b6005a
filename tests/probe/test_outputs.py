"""TimestepProbe on modules that are no recurrences: the gradient of what they return."""

from __future__ import annotations

import copy
import gc
import weakref
from collections import namedtuple
from collections.abc import Callable
from functools import partial
from typing import Any

import matplotlib.image
import numpy as np
import pytest
import torch
from differences import by_differences
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from torch.utils.tensorboard import SummaryWriter

from seqablate.engine.recurrence import Recurrence
from seqablate.probe import TimestepProbe
from seqablate.probe.curves import depth, profiles

LAYERS = {f"layers.{n}": "TBD" for n in range(3)}
Pair = namedtuple("Pair", ["first", "second"])


def encoder(dropout: float = 0.0, **options: Any) -> nn.TransformerEncoder:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout, dtype=torch.float64, **options)
    stack = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
    for k, p in enumerate(stack.parameters()):  # the layers begin as copies of one
        nn.init.normal_(p, 0.5 * (p.dim() == 1), 0.2 + 0.01 * (k % 7))
    return stack


def retained(model: nn.Module, names: Any, loss: Callable[[], Tensor]) -> dict[str, Tensor]:
    """The gradients of the modules' outputs as torch itself keeps them."""
    kept: dict[str, Tensor] = {}

    def keep(name: str, module: nn.Module, args: Any, output: Tensor) -> None:
        output.retain_grad()
        kept[name] = output

    handles = [model.get_submodule(name).register_forward_hook(partial(keep, name)) for name in names]
    loss().backward()
    for handle in handles:
        handle.remove()
    model.zero_grad()
    return {name: output.grad for name, output in kept.items()}


@pytest.mark.parametrize("training", [True, False])
def test_a_transformers_residual_stream_agrees_with_finite_differences_and_with_retain_grad(training):
    model, x_TBD = encoder().train(training), torch.randn(4, 2, 8, dtype=torch.float64)

    def loss() -> Tensor:
        return model(x_TBD)[-1].square().sum()

    with TimestepProbe(model, vectors=True, outputs=LAYERS) as probe:
        loss().backward()
    wanted = retained(model, LAYERS, loss)
    assert probe.names == tuple(LAYERS)
    for name, module in zip(LAYERS, model.layers, strict=True):
        found_TBD = probe[name].vectors["h"][0][0]
        torch.testing.assert_close(found_TBD, wanted[name], rtol=1e-12, atol=0)
        torch.testing.assert_close(found_TBD, by_differences(module, (4, 2, 8), loss), rtol=1e-6, atol=1e-6)
        norms = probe[name].total["h"]
        assert norms.shape == (1, 1, 4, 2)
        torch.testing.assert_close(norms[0, 0], wanted[name].square().sum(-1).sqrt(), rtol=1e-12, atol=0)
        assert probe[name].direct == probe[name].direct_vectors == {}
    assert (probe["layers.0"].total["h"] > 0).all()
    assert not probe["layers.2"].total["h"][0, 0, :-1].any()


def test_the_gradients_of_a_linear_stack_are_the_products_of_its_weights():
    torch.manual_seed(0)
    model = nn.Sequential(*(nn.Linear(5, 5) for _ in range(6))).double()
    x_BD, r_BD = torch.randn(3, 5, dtype=torch.float64), torch.randn(3, 5, dtype=torch.float64)
    with TimestepProbe(model, vectors=True, outputs={str(n): "BD" for n in range(6)}) as probe:
        (model(x_BD) * r_BD).sum().backward()
    wanted_BD = r_BD
    for n in reversed(range(6)):
        assert probe[str(n)].total["h"].shape == (1, 1, 1, 3)
        torch.testing.assert_close(probe[str(n)].vectors["h"][0][0][0], wanted_BD, rtol=1e-12, atol=0)
        torch.testing.assert_close(probe[str(n)].total["h"][0, 0, 0], wanted_BD.norm(dim=-1), rtol=1e-12, atol=0)
        wanted_BD = wanted_BD @ model[n].weight.detach()


@pytest.mark.parametrize(
    ("layout", "shape", "to_TBD"),
    [
        ("BCT", (2, 4, 7), lambda g: g.permute(2, 0, 1)),
        ("TBD", (7, 2, 4), lambda g: g),
        ("BTHD", (2, 7, 3, 4), lambda g: g.transpose(0, 1).reshape(7, 2, 12)),
        ("BCHW", (2, 3, 4, 5), lambda g: g.reshape(1, 2, 60)),
        ("HTKB", (3, 7, 4, 2), lambda g: g.permute(1, 3, 0, 2).reshape(7, 2, 12)),
        ("BT", (2, 7), lambda g: g.T[:, :, None]),
        ("B", (2,), lambda g: g[None, :, None]),
    ],
)
def test_the_layout_says_which_dimension_is_which(layout, shape, to_TBD):
    model, x, r = nn.Sequential(nn.Tanh(), nn.Tanh()), torch.randn(shape, requires_grad=True), torch.randn(shape)
    with TimestepProbe(model, outputs={"1": layout}) as norms:
        (model(x) * r).sum().backward()
    with TimestepProbe(model, vectors=True, outputs={"1": layout}) as vectors:
        (model(x) * r).sum().backward()
    assert torch.equal(vectors["1"].vectors["h"][0][0], to_TBD(r))
    for probe in (norms, vectors):
        assert probe["1"].total["h"].dtype == torch.float64
        torch.testing.assert_close(probe["1"].total["h"][0, 0], to_TBD(r).double().norm(dim=-1), rtol=1e-12, atol=0)


def test_a_convolutions_gradient_stands_at_its_timesteps():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv1d(3, 4, 3, padding=2), nn.Tanh(), nn.Conv1d(4, 4, 3, padding=2)).double()
    x_BCT = torch.randn(2, 3, 9, dtype=torch.float64)

    def loss() -> Tensor:
        return model(x_BCT)[:, :, 5].square().sum()

    with TimestepProbe(model, vectors=True, outputs={"0": "BCT", "2": "BCT"}) as probe:
        loss().backward()
    wanted = retained(model, ("0", "2"), loss)
    for name in ("0", "2"):
        torch.testing.assert_close(probe[name].vectors["h"][0][0], wanted[name].permute(2, 0, 1), rtol=1e-12, atol=0)
    reached_T = probe["0"].total["h"][0, 0].sum(-1) > 0
    assert reached_T.nonzero().flatten().tolist() == [3, 4, 5]  # the second kernel reads back over three steps


def test_norms_do_not_underflow_where_float32_squares_would():
    model = nn.Sequential(nn.Tanh())
    with TimestepProbe(model, outputs={"0": "BD"}) as probe:
        (model(torch.randn(2, 4, requires_grad=True)) * 1e-30).sum().backward()
    torch.testing.assert_close(probe["0"].total["h"].flatten(), torch.full((2,), 2e-30).double(), rtol=1e-6, atol=0)


def perceptron() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Linear(3, 8), nn.ReLU(inplace=True), nn.Dropout(0.3), nn.Linear(8, 8), nn.ReLU(inplace=True)
    )


@pytest.mark.parametrize(
    ("make", "shape", "outputs"),
    [
        (partial(encoder, 0.2), (5, 2, 8), LAYERS | {"layers.0.linear1": "TBD", "layers.1.norm1": "TBD"}),
        (partial(encoder, norm_first=True), (5, 2, 8), LAYERS),
        (perceptron, (5, 2, 3), {"0": "TBD", "1": "TBD", "3": "TBD", "4": "TBD", "": "TBD"}),
        (perceptron, (2, 3), {"0": "BD", "2": "BD", "4": "BD"}),
        (lambda: nn.Sequential(nn.Conv1d(2, 4, 3), nn.Flatten(), nn.Linear(12, 2)), (3, 2, 5), {"0": "BCT", "1": "BD"}),
    ],
)
def test_outputs_and_parameter_gradients_stay_what_they_were_to_the_bit(make, shape, outputs):
    model = make().double()
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    found = []
    for probe in (None, TimestepProbe(model, outputs=outputs), TimestepProbe(model, vectors=True, outputs=outputs)):
        torch.manual_seed(7)
        x.grad = None
        model.zero_grad()
        if probe is not None:
            probe.__enter__()
        output = model(x)
        output.square().sum().backward()
        if probe is not None:
            probe.__exit__(None, None, None)
        found.append([output.detach(), x.grad, *(p.grad for p in model.parameters())])
    for plain, norms, vectors in zip(*found, strict=True):
        assert torch.equal(plain, norms)
        assert torch.equal(plain, vectors)


@pytest.mark.parametrize("shape", [(4, 3), (5, 4, 3)])  # with a third dimension a Linear returns a view
@pytest.mark.parametrize(
    "change",
    [
        Tensor.relu_,
        lambda y: y.mul_(3),
        lambda y: y[..., 0].zero_(),
        lambda y: y.t_() if y.dim() == 2 else y.transpose_(0, 1),
    ],
)
def test_an_output_changed_in_place_afterwards_has_the_gradient_of_what_it_was(shape, change):
    torch.manual_seed(0)
    layout, model = "TBD"[-len(shape) :], nn.Linear(3, 3).double()
    x = torch.randn(shape, dtype=torch.float64)

    class Changed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = model

        def forward(self, x: Tensor) -> Tensor:
            y = self.fc(x)
            before = y.exp()
            change(y)
            return y.square().sum() + before.sum()

    changed = Changed()
    with TimestepProbe(changed, vectors=True, outputs={"fc": layout}) as probe:
        changed(x).backward()
    found = probe["fc"].vectors["h"][0][0].view(shape)
    torch.testing.assert_close(found, by_differences(model, shape, lambda: changed(x)), rtol=1e-6, atol=1e-7)


def test_a_changed_view_of_the_modules_own_input_is_refused_rather_than_measured_wrongly():
    model = nn.Sequential(nn.Conv1d(2, 4, 3), nn.Flatten())
    with TimestepProbe(model, outputs={"1": "BD"}) as probe:
        output = model(torch.randn(3, 2, 5))
        before = output.exp().sum()
        with pytest.raises(RuntimeError, match="view of its module's input and was modified in place"):
            (before + output.relu_().sum()).backward()
        model(torch.randn(3, 2, 5)).relu_().sum().backward()
    with pytest.raises(RuntimeError, match="no gradient has reached"):
        probe["1"].total  # noqa: B018


def test_a_change_in_place_that_torch_refuses_stays_refused():
    model = nn.Sequential(nn.Tanh(), nn.Flatten(0, 0))
    with TimestepProbe(model, outputs={"0": "BD", "1": "BD"}):
        loss = model(torch.randn(2, 3, requires_grad=True)).mul_(2).sum()
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            loss.backward()
    table = nn.Embedding(3, 4)
    table.forward = lambda x: table.weight[: len(x)]
    with TimestepProbe(table, outputs={"": "BD"}), pytest.raises(RuntimeError, match="a view of a leaf Variable"):
        table(torch.zeros(2)).mul_(2)


class Returns(nn.Module):
    """A linear layer that returns what ``wrap`` makes of its output."""

    def __init__(self, wrap: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.fc, self.wrap = nn.Linear(3, 4), wrap

    def forward(self, x: Tensor) -> Any:
        return self.wrap(self.fc(x))


@pytest.mark.parametrize(
    ("wrap", "kind"),
    [
        (lambda y: (y, y.sum()), tuple),
        (lambda y: [None, y, y.exp()], list),
        (lambda y: Pair(y, 2), Pair),
        (lambda y: torch.max(y[..., None], dim=-1), torch.return_types.max),
    ],
)
@pytest.mark.parametrize("shape", [(2, 3), (5, 2, 3)])
def test_of_a_tuple_or_list_the_first_tensor_counts(wrap, kind, shape):
    model, x = Returns(wrap), torch.randn(shape)
    with TimestepProbe(model, vectors=True, outputs={"": "TBD"[-len(shape) :]}) as probe:
        output = model(x)
        first = next(part for part in output if isinstance(part, Tensor))
        (3 * first).sum().backward()
    assert type(output) is kind
    assert len(output) == len(wrap(torch.ones(2, 3)))
    assert torch.equal(probe[""].vectors["h"][0][0].view(first.shape), torch.full(first.shape, 3.0))


def test_a_later_output_of_one_operation_has_its_own_gradient():
    model, x_BDK = Returns(lambda y: torch.aminmax(y, dim=-1).max), torch.randn(2, 5, 3)
    with TimestepProbe(model, vectors=True, outputs={"": "BD"}) as probe:
        (3 * model(x_BDK)).sum().backward()
    assert torch.equal(probe[""].vectors["h"][0][0][0], torch.full((2, 5), 3.0))


@pytest.mark.parametrize(
    ("wrap", "layout", "error", "message"),
    [
        (lambda y: {"y": y}, "BD", TypeError, "'' returned a dict; it must return a floating-point tensor"),
        (lambda y: (y.argmax(), y), "BD", TypeError, "'' returned a tensor of torch.int64"),
        (lambda y: [], "BD", TypeError, "'' returned a list"),
        (lambda y: y, "TBD", ValueError, r"shape \[2, 4\], to which the layout 'TBD' does not fit: it must have 2"),
    ],
)
def test_an_output_that_cannot_be_measured_is_refused_in_the_call(wrap, layout, error, message):
    model = Returns(wrap)
    with TimestepProbe(model, outputs={"": layout}), pytest.raises(error, match=message):
        model(torch.randn(2, 3))
    assert not model._forward_hooks


@pytest.mark.parametrize(
    ("outputs", "error", "message"),
    [
        ({"layers.3": "TBD"}, KeyError, "no module is called 'layers.3'; close to it: 'layers.2', 'layers.1'"),
        ({"zzz": "TBD"}, KeyError, "no module is called 'zzz'; close to it: '', 'layers'"),
        ({"layers.0": "TD"}, ValueError, "layout of 'layers.0' must be .* one of them B .* not 'TD'"),
        ({"layers.0": "BBD"}, ValueError, "not 'BBD'"),
        ({"layers.0": "BTT"}, ValueError, "not 'BTT'"),
        ({"layers.0": "B T D"}, ValueError, "not 'B T D'"),
        ({"layers.0": "btd"}, ValueError, "not 'btd'"),
        ({"layers.0": ""}, ValueError, "not ''"),
        ({"layers.0": ("T", "B")}, ValueError, "not \\('T', 'B'\\)"),
        (["layers.0"], TypeError, "outputs must map names of modules to layouts"),
    ],
)
def test_outputs_that_mean_nothing_are_refused_by_name(outputs, error, message):
    with pytest.raises(error, match=message):
        TimestepProbe(encoder(), outputs=outputs)


@pytest.mark.parametrize("recurrence", [nn.GRU(3, 4), Recurrence("gru", 3, 4)])
def test_a_recurrence_is_not_an_output_as_well(recurrence):
    with pytest.raises(ValueError, match=r"'0' is a recurrence, .* leave it out"):
        TimestepProbe(nn.Sequential(recurrence), outputs={"0": "TBD"})


def test_recurrences_and_named_outputs_are_measured_side_by_side():
    torch.manual_seed(0)
    model = nn.ModuleDict({"rnn": nn.LSTM(3, 4), "own": Recurrence("gru", 4, 4), "fc": nn.Linear(4, 2)}).double()
    x_TBI = torch.randn(5, 2, 3, dtype=torch.float64)

    def loss() -> Tensor:
        return model["fc"](model["own"](model["rnn"](x_TBI)[0])[0]).square().sum()

    with TimestepProbe(model) as alone:
        loss().backward()
    with TimestepProbe(model, outputs={"fc": "TBD"}) as probe:
        loss().backward()
    assert probe.names == ("rnn", "own", "fc")
    for name in ("rnn", "own"):
        for kind in ("total", "direct"):
            torch.testing.assert_close(getattr(probe[name], kind), getattr(alone[name], kind), rtol=1e-12, atol=0)
    wanted_TBD = retained(model, ["fc"], loss)["fc"]
    torch.testing.assert_close(probe["fc"].total["h"][0, 0], wanted_TBD.norm(dim=-1), rtol=1e-12, atol=0)


def test_calls_of_one_module_are_joined_along_time_when_their_batches_agree():
    fc, x_TBD = nn.Linear(3, 3), torch.randn(5, 2, 3)
    r_TBD = torch.randn(5, 2, 3)
    with TimestepProbe(fc, vectors=True, outputs={"": "BD"}) as probe:
        sum((fc(x_BD) * r_BD).sum() for x_BD, r_BD in zip(x_TBD, r_TBD, strict=True)).backward()
    assert len(probe[""].calls) == 5
    assert torch.equal(probe[""].vectors["h"][0][0], r_TBD)
    torch.testing.assert_close(probe[""].total["h"][0, 0], r_TBD.double().norm(dim=-1))
    with TimestepProbe(fc, outputs={"": "BD"}) as unequal:
        (fc(x_TBD[0]).sum() + fc(x_TBD[0, :1]).sum()).backward()
    assert unequal[""].total["h"].isnan().sum() == 1
    assert unequal[""].valid[0, 0].tolist() == [[True, True], [True, False]]


@pytest.mark.parametrize("vectors", [True, False])
def test_two_backward_passes_add_up_when_vectors_are_kept(vectors):
    fc, x_BD, r_BD = nn.Linear(3, 3), torch.randn(2, 3), torch.randn(2, 3)
    with TimestepProbe(fc, vectors=vectors, outputs={"": "BD"}) as probe:
        output = fc(x_BD)
        output.sum().backward(retain_graph=True)
        (output * r_BD).sum().backward()
    if not vectors:
        with pytest.raises(RuntimeError, match=r"two backward passes .* use TimestepProbe\(model, vectors=True\)"):
            probe[""].total  # noqa: B018
        return
    torch.testing.assert_close(probe[""].total["h"][0, 0, 0], (1 + r_BD).double().norm(dim=-1))


def test_kept_vectors_are_no_parameters_grad():
    """Autograd hands the gradient on as the .grad of a parameter that is added, and later writes into that."""

    class Shift(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.shift = nn.Parameter(torch.zeros(1, 3))

        def forward(self, x: Tensor) -> Tensor:
            return x + self.shift

    model = Shift()
    with TimestepProbe(model, vectors=True, outputs={"": "BD"}) as probe:
        (model(torch.ones(1, 3)) * torch.full((1, 3), 2.0)).sum().backward()
    model.zero_grad(set_to_none=False)
    assert torch.equal(probe[""].vectors["h"][0][0], torch.full((1, 1, 3), 2.0))


class Checkpointed(nn.Module):
    """A stack of which every layer is called again in the backward pass."""

    def __init__(self, stack: nn.TransformerEncoder, **options: Any) -> None:
        super().__init__()
        self.layers, self.options = copy.deepcopy(stack.layers), options

    def forward(self, x_TBD: Tensor) -> Tensor:
        for layer in self.layers:
            x_TBD = checkpoint(layer, x_TBD, **self.options)
        return x_TBD


@pytest.mark.parametrize("early_stop", [True, False])
def test_calls_that_checkpointing_makes_again_are_not_recorded(early_stop):
    plain = encoder(0.1)
    again, x_TBD = Checkpointed(plain, use_reentrant=False, early_stop=early_stop), torch.randn(4, 2, 8).double()
    outputs = LAYERS | {"layers.1.linear1": "TBD", "layers.1.norm2": "TBD"}
    found = []
    for model in (plain, again):
        torch.manual_seed(3)
        with TimestepProbe(model, vectors=True, outputs=outputs) as probe:
            model(x_TBD).square().sum().backward()
        found.append(probe)
    for name in outputs:
        assert len(found[1][name].calls) == 1
        assert torch.equal(found[1][name].vectors["h"][0][0], found[0][name].vectors["h"][0][0])
    for p, q in zip(plain.parameters(), again.parameters(), strict=True):
        assert torch.equal(p.grad, q.grad)


def test_under_reentrant_checkpointing_nothing_is_recorded_and_that_is_said():
    model = Checkpointed(encoder(), use_reentrant=True)
    with TimestepProbe(model, outputs=LAYERS) as probe:
        model(torch.randn(4, 2, 8).double().requires_grad_()).sum().backward()
    with pytest.raises(RuntimeError, match=r"no call of 'layers.0' was recorded: .* use_reentrant=False"):
        probe["layers.0"].total  # noqa: B018


def test_calls_and_outputs_without_gradients_are_not_recorded():
    model = nn.Sequential(nn.Linear(3, 3).requires_grad_(False), nn.Linear(3, 3))
    with TimestepProbe(model, outputs={"0": "BD", "1": "BD"}) as probe:
        with torch.no_grad():
            model(torch.randn(2, 3))
        model(torch.randn(4, 3)).sum().backward()
    assert [len(probe[name].calls) for name in ("0", "1")] == [0, 1]


def test_a_layer_that_the_loss_does_not_see_is_said():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    with TimestepProbe(model, outputs={"1": "BD"}) as probe:
        (model[0](torch.randn(2, 3)) + model(torch.randn(2, 3)).detach()).sum().backward()
    with pytest.raises(RuntimeError, match="no gradient has reached this call of '1'"):
        probe["1"].total  # noqa: B018


@pytest.mark.parametrize("shape", [(4, 3), (5, 4, 3)])
def test_a_gradient_hook_of_the_callers_is_seen(shape):
    model, x = nn.Linear(3, 3), torch.randn(shape)
    with TimestepProbe(model, vectors=True, outputs={"": "TBD"[-len(shape) :]}) as probe:
        output = model(x)
        output.register_hook(lambda g: 3 * g)
        output.sum().backward()
    assert torch.equal(probe[""].vectors["h"][0][0].view(shape), torch.full(shape, 3.0))


@pytest.mark.parametrize("shape", [(4, 3), (5, 4, 3)])
def test_double_backward_through_a_probed_call_is_unchanged(shape):
    model, x = nn.Sequential(nn.Linear(3, 3), nn.Tanh()), torch.randn(shape)

    def penalty() -> Tensor:
        grads = torch.autograd.grad(model(x).square().sum(), list(model.parameters()), create_graph=True)
        return sum(g.square().sum() for g in grads)

    wanted = torch.autograd.grad(penalty(), list(model.parameters()))
    outputs = {"0": "TBD"[-len(shape) :]}
    for vectors in (True, False):
        with TimestepProbe(model, vectors=vectors, outputs=outputs) as probe:
            loss = penalty()
            assert not probe["0"].total["h"].requires_grad
        assert all(map(torch.equal, torch.autograd.grad(loss, list(model.parameters())), wanted))


def test_a_leaf_that_a_module_hands_through_is_measured():
    x_BD = torch.randn(2, 3, requires_grad=True)
    model = nn.Sequential(nn.Identity(), nn.Tanh())
    with TimestepProbe(model, vectors=True, outputs={"0": "BD"}) as probe:
        model(x_BD).sum().backward()
    assert torch.equal(probe["0"].vectors["h"][0][0][0], x_BD.grad)
    assert not x_BD._backward_hooks


class Marker:
    """Lives as long as the node of the graph that it is put into."""


@pytest.mark.parametrize("shape", [(2, 3), (5, 2, 3)])
def test_nothing_stays_behind(shape):
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    layout, gradients = "TBD"[-len(shape) :], []
    with TimestepProbe(model, outputs={"0": layout, "1": layout}) as probe:
        output = model(torch.randn(shape))
        output.register_hook(lambda g: gradients.append(weakref.ref(g)))
        (2 * output).sum().backward()
        outputs = weakref.ref(output)
        in_graph = Marker()
        output.grad_fn.metadata["marker"], node = in_graph, weakref.ref(in_graph)
        del output, in_graph
        gc.disable()  # whatever is let go of goes at once, without a cycle
        try:
            assert outputs() is None
            assert node() is None
            assert gradients[0]() is None
        finally:
            gc.enable()
        later = model(torch.randn(shape))
    before = [len(probe[name].calls) for name in probe.names]
    later.sum().backward()
    assert before == [2, 2]
    assert probe["1"].calls[0].total["h"].shape[-1] == 2
    with pytest.raises(RuntimeError, match=r"call backward\(\) inside"):
        probe["1"].calls[1].total  # noqa: B018
    for module in model.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks


def test_layers_without_a_t_are_one_curve_and_modules_with_one_a_curve_each(tmp_path):
    torch.manual_seed(0)
    model = nn.ModuleDict({"rnn": nn.GRU(3, 4), "deep": nn.Sequential(*(nn.Linear(4, 4) for _ in range(3)))})
    deep, x_TBI = {f"deep.{n}": "BD" for n in range(3)}, torch.randn(6, 2, 3)

    def measured(outputs: dict[str, str]) -> TimestepProbe:
        with TimestepProbe(model, outputs=outputs) as probe:
            model["deep"](model["rnn"](x_TBI)[0][-1]).sum().backward()
        return probe

    probe = measured(deep)
    assert [curve.label for curve in profiles(dict(probe))] == ["rnn h layer 0"]
    wanted_N = torch.stack([probe[name].total["h"].mean() for name in deep])
    np.testing.assert_allclose(depth(dict(probe)).mean(), wanted_N)
    np.testing.assert_allclose(depth(dict(measured(dict(reversed(deep.items()))))).mean(), wanted_N.flip(0))
    assert depth(dict(measured({}))) is None
    alone, both = (matplotlib.image.imread(measured(o).plot(tmp_path / "p.png")).shape for o in ({}, deep))
    assert both[0] == alone[0]
    assert both[1] > 1.5 * alone[1]

    with SummaryWriter(tmp_path) as writer:
        probe.log(writer, 30)
    events = EventAccumulator(str(tmp_path), size_guidance={"scalars": 0, "images": 0}).Reload()
    assert events.Tags()["images"] == ["timestep_gradient/profile"]
    tags = [f"timestep_gradient_log10/depth/{end}_layer" for end in ("first", "last")]
    assert set(tags) < set(events.Tags()["scalars"])
    for tag, norm in zip(tags, (wanted_N[0], wanted_N[-1]), strict=True):
        assert events.Scalars(tag)[0].value == pytest.approx(float(norm.log10()), rel=1e-5)


def test_a_model_of_named_outputs_only_is_drawn_and_logged(tmp_path):
    model = encoder()
    with TimestepProbe(model, outputs=LAYERS) as over_time:
        model(torch.randn(5, 2, 8).double()).square().sum().backward()
    assert [curve.label for curve in profiles(dict(over_time))] == list(LAYERS)
    assert profiles(dict(over_time))[1].mean().shape == (5,)
    with TimestepProbe(model, outputs={"": "TBD"}) as whole:
        model(torch.randn(5, 2, 8).double()).square().sum().backward()
    assert [curve.label for curve in profiles(dict(whole))] == ["output"]
    with TimestepProbe(perceptron(), outputs={"0": "BD", "3": "BD"}) as over_depth:
        over_depth._model(torch.randn(4, 3)).sum().backward()
    assert not profiles(dict(over_depth))
    for probe in (over_time, whole, over_depth):
        assert probe.plot(tmp_path / "p.png").stat().st_size > 5000
        with SummaryWriter(tmp_path) as writer:
            probe.log(writer, 0)
    with TimestepProbe(model, outputs=LAYERS) as nothing, pytest.raises(RuntimeError, match="nothing was recorded"):
        nothing.plot(tmp_path / "p.png")
