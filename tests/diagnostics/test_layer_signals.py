"""Curves over layers and the lag curves of an encoder, against one sample at a time in a plain autograd graph."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import seqablate
from seqablate.assemble import assemble, read_overrides
from seqablate.signals.words import decay_words
from seqablate.training.step import forward

SMALL = ["batch_size=3", "steps=1", "eval.every=1", "eval.size=5", "dtype=float64", "device=cpu", "quiet=true",
         "clip=none", "probe.every=1"]  # fmt: skip


def recorded(words: list[str], folder) -> seqablate.Run:
    return seqablate.train([*SMALL, *words, f"output_dir={folder}", "name=run"])


def curve(run, quantity: str, **where) -> np.ndarray:
    frame = run.signals.query("step == 0 and quantity == @quantity")
    for key, value in where.items():
        frame = frame[frame[key] == value]
    return frame.sort_values("index")["value"].to_numpy()


def alone(parts, batch, b: int, modules: list[str], loss_of) -> list[np.ndarray]:
    """Gradient of one sample's loss at the outputs of modules, its padding cut off: no probe, no batch."""
    seen: list[torch.Tensor] = []
    handles = [parts.model.get_submodule(name).register_forward_hook(keep(seen)) for name in modules]
    steps = None if batch.lengths is None else int(batch.lengths[b])
    one = type(batch)(x=batch.x[:steps, b : b + 1], y=batch.y[..., b : b + 1])
    _, losses, _ = forward(parts.model, parts.task, one, None, None)
    for handle in handles:
        handle.remove()
    return [g.numpy() for g in torch.autograd.grad(loss_of(losses), seen)]


def keep(seen: list[torch.Tensor]):
    return lambda module, args, output: seen.append(output)


def sum_of_means(losses: torch.Tensor) -> torch.Tensor:
    """Of the samples' losses, where every step has a target."""
    return (losses if losses.dim() == 1 else losses.mean(0)).sum()


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["model=mlp", "model.depth=4", "task.length=10"], "stack.outputs.{}"),
        (["model=mlp", "model.depth=4", "model.skip=residual", "task.length=10"], "stack.outputs.{}"),
        (
            ["model=transformer", "model.num_layers=3", "model.causal=false", "task.variant=hs97", "task.length=22"],
            "layers.{}",
        ),
        (["model=tcn", "model.num_layers=3", "task.variant=hs97", "task.length=22"], "stack.outputs.{}"),
    ],
    ids=lambda v: " ".join(v[:3]) if isinstance(v, list) else None,
)
def test_the_layer_profile_is_the_mean_norm_of_each_samples_gradient_at_a_layers_whole_output(words, name, tmp_path):
    run = recorded(words, tmp_path)
    parts = assemble(read_overrides([*SMALL, *words]))
    batch = parts.task.train_batch(0).tensors(parts.device, parts.dtype)
    modules = [place.name for place in parts.model.probe_points]
    assert modules == [name.format(k) for k in range(len(modules))]
    norms_BL = [[np.linalg.norm(g) for g in alone(parts, batch, b, modules, sum_of_means)] for b in range(3)]
    np.testing.assert_allclose(curve(run, "layer"), np.mean(norms_BL, axis=0), rtol=1e-7)


def test_a_net_without_time_has_a_lag_curve_over_depth_and_no_other(tmp_path):
    run = recorded(["model=mlp", "model.depth=4", "task.length=10"], tmp_path)
    parts = assemble(read_overrides([*SMALL, "model=mlp", "model.depth=4", "task.length=10"]))
    batch = next(parts.task.eval_batches("evaluation")).tensors(parts.device, parts.dtype)
    modules = [place.name for place in parts.model.probe_points]
    norms = [
        [np.linalg.norm(g) for g in alone(parts, batch, b, modules, lambda losses: losses.sum())] for b in range(5)
    ]
    np.testing.assert_allclose(curve(run, "depth_lag"), np.mean(norms, axis=0)[::-1], rtol=1e-7)
    assert set(run.signals["quantity"].unique()) == {"layer", "depth_lag"}
    (fit,) = run.info.decay
    assert (fit.quantity, fit.part, fit.layer) == ("depth_lag", "mlp", None)


def test_an_encoders_lag_curve_goes_on_where_its_decoders_ends(tmp_path):
    words = ["model=seq2seq", "model.bidirectional=true", "task=reverse", "task.length=5"]
    run = recorded(words, tmp_path)
    decoder = curve(run, "lag", part="decoder")
    assert len(decoder) == 5
    for direction, quantity in (("forward", "lag"), ("reverse", "path_lag")):
        encoder = curve(run, quantity, part="encoder", direction=direction)
        assert len(encoder) == 10
        assert np.isnan(encoder[:5]).all()
        assert np.isfinite(encoder[5:]).all()
        assert encoder[5:].argmax() == 0  # what each half did last, at its own end, stands nearest to the decoder


@pytest.mark.parametrize("attention", ["none", "dot"])
def test_a_reverse_directions_steps_are_on_an_axis_of_their_own_whose_entry_k_is_timestep_k(attention, tmp_path):
    """Its end is timestep 0, the farthest from the loss in time: on the axis of the lag its curve would be mirrored."""
    words = [
        "model=seq2seq",
        "model.bidirectional=true",
        f"model.attention={attention}",
        "task=reverse",
        "task.length=6",
    ]
    run = recorded(words, tmp_path)
    assert set(run.signals.query("quantity == 'lag'")["direction"]) == {"forward"}
    parts = assemble(read_overrides([*SMALL, *words]))
    batch = next(parts.task.eval_batches("evaluation")).tensors(parts.device, parts.dtype)
    (point,) = [p for p in parts.model.probe_points if (p.place.part, p.place.direction) == ("encoder", "reverse")]
    seen: list[torch.Tensor] = []
    parts.model.get_submodule(point.name).register_forward_hook(lambda m, a, out: seen.extend((out[0], out[1][0])))
    _, losses, _ = forward(parts.model, parts.task, batch, None, None)
    output, final = torch.autograd.grad(losses[-1].sum(), seen, allow_unused=True)  # of its own steps; of the last one
    own = curve(run, "path_lag", part="encoder", direction="reverse")[6:]
    arrived = final if output is None else output[-1] + final
    assert own[0] == pytest.approx(arrived.norm(dim=-1).mean().item(), rel=1e-7)
    if attention == "none":
        assert own.argmax() == 0
        assert own[0] > 3 * own[-1]
    reverse = [fit for fit in run.info.decay if fit.direction == "reverse"]
    assert {fit.quantity for fit in reverse} == {"path_lag"}
    assert "path length" in decay_words(reverse[0])


def test_one_layer_has_no_layer_profile(tmp_path):
    run = recorded(["model=gru", "task.length=10"], tmp_path)
    assert set(run.signals["quantity"].unique()) == {"total", "direct", "lag"}


@pytest.mark.parametrize("skip", ["none", "dense_residual"])
def test_a_recurrences_layer_profile_is_the_gradient_of_what_it_hands_on_and_not_of_its_own_past(skip, tmp_path):
    words = ["model=rnn", "model.num_layers=3", f"model.skip={skip}", "task=copy", "task.length=4"]
    run = recorded(words, tmp_path)
    parts = assemble(read_overrides([*SMALL, *words]))
    batch = parts.task.train_batch(0).tensors(parts.device, parts.dtype)
    outputs: list[torch.Tensor] = []
    for place in parts.model.probe_points:
        parts.model.get_submodule(place.name).register_forward_hook(lambda m, a, out: outputs.append(out[0]))
    _, losses, _ = forward(parts.model, parts.task, batch, None, None)
    found = torch.autograd.grad(sum_of_means(losses), outputs)  # of the sequence as the layer above reads it
    expected = [g.norm(dim=(0, 2)).mean().item() for g in found]
    np.testing.assert_allclose(curve(run, "layer"), expected, rtol=1e-7)
    timed = run.signals.query("step == 0 and state == 'h' and layer == 0")
    assert set(timed["quantity"]) == {"total", "direct", "lag"}  # the names that the layer profile does not have


def test_a_net_of_one_layer_is_measured_there(tmp_path):
    run = recorded(["model=mlp", "model.depth=1", "task.length=10"], tmp_path)
    assert len(curve(run, "layer")) == 1
