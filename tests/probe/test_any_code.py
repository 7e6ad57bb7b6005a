"""TimestepProbe in code that was not written for it: copies, cells, loops, chunks, direct calls, what is not finite."""

from __future__ import annotations

import copy
import io
import math
import pickle

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence
from torch.optim.swa_utils import AveragedModel

from seqablate import probe_every
from seqablate.engine.recurrence import Recurrence
from seqablate.probe import TimestepProbe
from seqablate.probe.curves import profiles


def halving(steps: int = 20) -> TimestepProbe:
    """A probe of a linear recurrence whose gradient is halved at each step back."""
    model = nn.RNN(1, 1, nonlinearity="relu", bias=False)
    nn.init.constant_(model.weight_ih_l0, 1.0)
    nn.init.constant_(model.weight_hh_l0, 0.5)
    with TimestepProbe(model) as probe:
        model(torch.ones(steps, 1, 1))[0][-1].sum().backward()
    return probe


class Writer:
    """Keeps what a SummaryWriter would write."""

    def __init__(self) -> None:
        self.scalars: dict[str, float] = {}
        self.texts: list[str] = []
        self.steps: set[int] = set()

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        self.scalars[tag] = value
        self.steps.add(step)

    def add_text(self, tag: str, text: str, step: int) -> None:
        self.texts.append(text)

    def add_image(self, *args: object, **options: object) -> None:
        pass


def logged(probe: TimestepProbe) -> Writer:
    writer = Writer()
    probe.log(writer, 0)
    return writer


@pytest.mark.parametrize("outputs", [None, {"0": "TBD"}])
def test_copies_made_in_the_block_are_neither_recorded_nor_changed(outputs):
    model, x_TBI = nn.Sequential(nn.Linear(2, 2), nn.LSTM(2, 3)), torch.randn(4, 1, 2)
    forward = nn.LSTM.forward, nn.Linear.forward
    with TimestepProbe(model, outputs=outputs) as probe:
        copies = [copy.deepcopy(model), AveragedModel(model), pickle.loads(pickle.dumps(model))]
        torch.save(model, io.BytesIO())
        for part in copies:
            part(x_TBI)[0].sum().backward()
        model(x_TBI)[0].sum().backward()
    assert [len(record.calls) for _, record in probe.items()] == [1] * len(probe)
    copies[0](x_TBI)[0].sum().backward()
    assert probe["1"].total["h"].shape == (1, 1, 4, 1)
    assert (nn.LSTM.forward, nn.Linear.forward) == forward
    for part in copies[0].modules():
        assert not part._forward_hooks
        assert not part._forward_pre_hooks
        assert "forward" not in part.__dict__


def test_a_forward_of_the_modules_own_is_watched_and_copied_as_what_it_is():
    model = nn.Linear(2, 3)
    own = model.forward = lambda x: nn.functional.linear(x, model.weight)
    with TimestepProbe(model, outputs={"": "BD"}) as probe:
        twin = copy.deepcopy(model)
        model.forward(torch.randn(2, 2)).sum().backward()
        model(torch.randn(2, 2)).sum().backward()
    assert len(probe[""].calls) == 2
    assert model.forward is own
    assert twin.forward is own


def test_forward_called_directly_is_recorded_and_a_super_call_is_no_second_one():
    class Named(nn.LSTM):
        def forward(self, x_TBI: Tensor) -> Tensor:
            return super().forward(x_TBI)[0]

    model, x_TBI = nn.ModuleList([Named(2, 3), nn.LSTM(3, 3)]), torch.randn(4, 1, 2)
    found = []
    for call in (lambda m, x: m(x), lambda m, x: m.forward(x)):
        with TimestepProbe(model) as probe:
            call(model[1], call(model[0], x_TBI))[0].sum().backward()
        assert [len(probe[name].calls) for name in probe] == [1, 1]
        found.append([probe[name].total for name in probe])
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=0)


def test_a_cell_that_returns_more_than_its_state_is_measured_at_its_state():
    class Gated(nn.GRUCell):
        def forward(self, x_BI: Tensor, h_BD: Tensor | None = None) -> tuple[Tensor, str, Tensor]:
            h_BD = super().forward(x_BI, h_BD)
            return h_BD, "gates", h_BD.detach()

    cell, x_TBI = Gated(2, 3), torch.randn(2, 4, 2)
    with TimestepProbe(cell) as probe:
        first, text, _ = cell(x_TBI[0])
        last, *_ = cell(x_TBI[1], first)
        first.retain_grad()
        last.sum().backward()
    assert text == "gates"
    assert list(probe[""].total) == ["h"]
    wanted_TB = torch.stack([first.grad.norm(dim=-1), torch.full((4,), 3**0.5)])
    torch.testing.assert_close(probe[""].total["h"][0, 0].float(), wanted_TB)


def test_a_cell_that_does_not_return_its_state_is_refused_by_name():
    class Wrapped(nn.LSTMCell):
        def forward(self, x_BI: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
            h_BD, c_BD = super().forward(x_BI)
            return h_BD, (h_BD, c_BD)

    model = nn.ModuleDict({"cell": Wrapped(2, 3)})
    with TimestepProbe(model), pytest.raises(TypeError, match=r"the cell 'cell', a Wrapped, must return h \[B, D\]"):
        model["cell"](torch.randn(4, 2))
    with TimestepProbe(model, outputs={"cell": "BD"}) as probe:
        model["cell"](torch.randn(4, 2))[0].sum().backward()
    torch.testing.assert_close(probe["cell"].total["h"].float(), torch.full((1, 1, 1, 4), 3**0.5))


@pytest.mark.parametrize("kind", [nn.RNNCell, nn.LSTMCell, nn.GRUCell])
def test_a_cell_is_measured_as_retain_grad_has_it_and_its_direct_part_is_the_losses(kind):
    torch.manual_seed(0)
    cell, x_TBI, losses = kind(2, 3).double(), torch.randn(5, 2, 2, dtype=torch.float64), (1, 4)
    state, kept = None, []
    with TimestepProbe(cell) as probe:
        for x_BI in x_TBI:
            state = cell(x_BI, state)
            kept.append(state if isinstance(state, tuple) else (state,))
            for part in kept[-1]:
                part.retain_grad()
        sum(kept[t][0].square().sum() for t in losses).backward()
    for k, name in enumerate(probe[""].total):
        wanted_TB = torch.stack([states[k].grad.norm(dim=-1) for states in kept])
        torch.testing.assert_close(probe[""].total[name][0, 0], wanted_TB, rtol=1e-12, atol=0)
    sent_TB = torch.zeros(5, 2, dtype=torch.float64)
    for t in losses:
        sent_TB[t] = 2 * kept[t][0].detach().norm(dim=-1)
    torch.testing.assert_close(probe[""].direct["h"][0, 0], sent_TB, rtol=1e-12, atol=0)


@pytest.mark.parametrize("chunks", [2, 12])
@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.RNN(3, 4),
        lambda: nn.GRU(3, 4, batch_first=False),
        lambda: nn.LSTM(3, 4, proj_size=2),
        *(
            lambda cell=cell, backend=backend, options=options: _on(backend, Recurrence(cell, 3, 4, **options))
            for cell, backend, options in [
                ("lstm", "compiled", {}),
                ("gru", "torch", {}),
                ("rnn_tanh", "compiled", {"dilation": 3}),
                ("lstm", "loop", {"time_skip": 2}),
                ("mgu", "loop", {"layer_norm": True}),
                ("gru", "compiled", {"time_skip": 5}),
                ("lstm", "compiled", {"time_skip": 2, "layer_norm": True}),
            ]
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
def test_what_the_next_call_sends_back_is_no_direct_gradient(make, chunks):
    torch.manual_seed(0)
    module, x_TBI = make().double(), torch.randn(12, 2, 3, dtype=torch.float64)
    with TimestepProbe(module) as whole:
        (module(x_TBI)[0][[5, 11]].square()).sum().backward()
    state, outputs = None, []
    with TimestepProbe(module) as probe:
        for part in x_TBI.chunk(chunks):
            output, state = module(part, state)
            outputs.append(output)
        torch.cat(outputs)[[5, 11]].square().sum().backward()
    for name in whole[""].total:
        torch.testing.assert_close(probe[""].total[name], whole[""].total[name], rtol=1e-9, atol=0)
        torch.testing.assert_close(probe[""].direct[name], whole[""].direct[name], rtol=1e-9, atol=1e-15)
    assert not any(call.unknown_direct for call in probe[""].calls)


def _on(backend: str, module: Recurrence) -> Recurrence:
    module.backend = backend
    return module


@pytest.mark.parametrize("change", [lambda h: 0.5 * h, lambda h: h.register_hook(lambda g: g.clamp(-1, 1)) and h])
def test_a_state_that_is_changed_on_its_way_leaves_the_direct_part_unknown_with_the_reason(change):
    module, state = nn.GRU(3, 4), None
    with TimestepProbe(module) as probe:
        for x_TBI in torch.randn(3, 2, 2, 3):
            output, state = module(x_TBI, None if state is None else change(state))
        output[-1].sum().backward()
    direct_T = probe[""].direct["h"][0, 0, :, 0]
    assert direct_T.isnan().tolist() == [False, True, False, True, False, False]
    assert "cannot be told" in probe[""].calls[0].unknown_direct
    assert probe[""].calls[-1].unknown_direct is None


def test_one_block_used_as_several_layers_has_an_axis_of_calls():
    block, x_BTD = nn.Linear(4, 4).double(), torch.randn(2, 3, 4, dtype=torch.float64)
    with TimestepProbe(block, vectors=True, outputs={"": "BTD"}) as probe:
        outputs = [block(x_BTD)]
        outputs += [block(outputs[0])]
        outputs[1][:, -1].sum().backward()
    assert probe[""].total["h"].shape == (2, 1, 3, 2)
    wanted_D = torch.ones(4, dtype=torch.float64) @ block.weight.detach()
    torch.testing.assert_close(probe[""].vectors["h"][0][0][-1], wanted_D.expand(2, 4), rtol=1e-12, atol=0)
    assert [curve.label for curve in profiles(dict(probe.items()))] == ["output call 0", "output call 1"]


def test_a_module_has_all_its_names():
    model = nn.ModuleDict({"left": nn.GRU(2, 3)})
    model["right"] = model["left"]
    with TimestepProbe(model) as probe:
        model["right"](torch.randn(4, 1, 2))[0].sum().backward()
    assert probe["right"] is probe["left"]
    assert (list(probe), len(probe), "right" in probe, "other" in probe) == (["left"], 1, True, False)
    with pytest.raises(ValueError, match="'right' and 'left' are one module"):
        TimestepProbe(
            nn.ModuleDict({"left": (fc := nn.Linear(2, 2)), "right": fc}), outputs={"left": "BD", "right": "BTD"}
        )


def test_a_pass_that_ends_inside_the_call_leaves_nothing_for_the_next_one():
    torch.manual_seed(0)
    for module in (nn.GRU(3, 4), _on("loop", Recurrence("gru", 3, 4))):
        weight = module.weight_hh_l0 if isinstance(module, nn.GRU) else module.weight_hh
        x_TBI, totals = torch.randn(5, 2, 3), []
        for first in (False, True):
            with TimestepProbe(module) as probe:
                output, state = module(x_TBI)
                if first:
                    with probe.pause():
                        torch.autograd.grad(output.square().sum(), weight, retain_graph=True)
                state[0].sum().backward()
            totals.append(probe[""].total["h"])
        torch.testing.assert_close(totals[1], totals[0])


def test_nan_and_inf_are_shown_as_what_they_are():
    torch.manual_seed(0)
    model, x_TBI = nn.LSTM(2, 3), torch.randn(4, 2, 2)
    x_TBI[0, 1] = math.nan
    with TimestepProbe(model) as probe:
        model(x_TBI)[0].sum().backward()
    writer = logged(probe)
    assert math.isnan(writer.scalars["timestep_gradient_log10/h_layer_0/first_timestep"])
    assert "h layer 0: NaN at" in writer.texts[0]
    assert "NaN at" in str(probe)
    assert "NaN at" in probe.plot().axes[0].get_legend().get_texts()[0].get_text()


def test_padding_is_known_from_lengths_and_hides_no_nan():
    model, x_TBI = nn.GRU(2, 3), torch.randn(5, 2, 2)
    for value, finite in ((0.0, True), (math.nan, False)):
        with TimestepProbe(model) as probe:
            _, h_n = model(pack_padded_sequence(x_TBI, [5, 3]))
            (h_n * torch.tensor([1.0, 1.0 + value])[None, :, None]).sum().backward()
        (curve,) = profiles(dict(probe.items()))
        assert np.isfinite(curve.mean()).all() == finite
        assert curve.is_finite() == finite
        assert curve.valid_TB.sum(0).tolist() == [5, 3]


def test_aligned_at_their_ends_unequal_samples_fade_together():
    torch.manual_seed(0)
    model, x_TBI, lengths = nn.GRU(2, 3), torch.randn(5, 2, 2), [5, 3]
    with TimestepProbe(model) as probe:
        model(pack_padded_sequence(x_TBI, lengths))[1].sum().backward()
    figure = probe.plot(align="end")
    norms = [probe[""].total["h"][0, 0, :n, b].flip(0).tolist() for b, n in enumerate(lengths)]
    wanted = [np.mean([curve[k] for curve in norms if k < len(curve)]) for k in range(5)]
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata(), wanted, rtol=1e-12)
    assert "end" in figure.axes[0].get_title(loc="left")
    with pytest.raises(ValueError, match='align must be "start" or "end"'):
        probe.plot(align="middle")


def test_a_probe_says_shows_and_tabulates_what_it_found():
    probe = halving()
    for part in ("h layer 0", "decay 0.5 ", "fades", "█"):
        assert part in str(probe)
    frame = probe.to_frame()
    total = frame[frame["quantity"] == "total"].set_index("timestep")["value"]
    np.testing.assert_allclose(total, 0.5 ** np.arange(19.0, -1, -1), rtol=1e-6)
    scalars = logged(probe).scalars
    assert scalars["timestep_gradient_decay/h_layer_0"] == pytest.approx(0.5)
    assert scalars["timestep_gradient_vanished/h_layer_0"] == 0.0
    assert logged(halving(200)).scalars["timestep_gradient_vanished/h_layer_0"] == pytest.approx(87 / 200)


def test_under_autocast_the_totals_are_those_of_float32_to_its_rounding():
    torch.manual_seed(0)
    for model in (nn.LSTM(2, 3, 2), nn.GRU(2, 3, 2, bidirectional=True), nn.RNN(2, 3)):
        x_TBI, totals = torch.randn(4, 1, 2), []
        for enabled in (False, True):
            with TimestepProbe(model) as probe:
                with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
                    output, _ = model(x_TBI)
                output.float().sum().backward()
            totals.append(probe[""].total)
        torch.testing.assert_close(totals[1], totals[0], rtol=0.05, atol=0)


def test_a_training_loop_is_probed_every_so_many_steps_and_a_failed_step_is_not_counted():
    model, writer = nn.GRU(3, 4), Writer()
    probing = probe_every(model, 3, writer, step=10)
    for k in range(7):
        with probing as probe:
            assert (probe is not None) == ((10 + k) % 3 == 0)
            model(torch.randn(5, 2, 3))[0].sum().backward()
    assert writer.steps == {12, 15}
    assert probing.last[""].total["h"].shape == (1, 1, 5, 2)
    with pytest.raises(ZeroDivisionError), probing:
        raise ZeroDivisionError
    assert probing.step == 17
    with pytest.raises(ValueError, match="every must be a whole number"):
        probe_every(model, 0)
    with probe_every(model, 1, writer):
        pass
    assert "nothing was recorded" in writer.texts[-1]
