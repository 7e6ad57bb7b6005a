"""A run with ``clip=state``: what it trains with, records and says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import seqablate
from seqablate.assemble import assemble, read_overrides
from seqablate.record.reader import read_record
from seqablate.training.step import train_step

WORDS = (
    "clip=state",
    "task=adding",
    "task.length=12",
    "model.hidden_size=5",
    "batch_size=4",
    "dtype=float64",
    "device=cpu",
)


def first_gradients(model: str, max_norm: float) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Of the parameters, after one training step: by the program, and by a loop of torch's cells with hooks.

    The gradient of a sample's own loss is B times what arrives from the mean: that is what is compared with max_norm.
    """
    parts = assemble(read_overrides([*WORDS, f"model={model}", f"clip.max_norm={max_norm}", "optim=sgd"]))
    arrays = parts.task.train_batch(0)
    batch, B = arrays.tensors(parts.device, parts.dtype), arrays.x.shape[1]
    ours = parts.model.stack.layers[0]["forward_cell"]
    make = {"rnn": torch.nn.RNNCell, "lstm": torch.nn.LSTMCell, "gru": torch.nn.GRUCell}[model]
    cell = make(ours.input_size, ours.hidden_size).double()
    cell.load_state_dict(ours.state_dict())

    def cut(d_BD: torch.Tensor) -> torch.Tensor:
        norm_B1 = B * d_BD.norm(dim=1, keepdim=True)
        return torch.where(norm_B1 > max_norm, d_BD * (max_norm / norm_B1), d_BD)

    states = tuple(torch.zeros(B, ours.hidden_size, dtype=torch.float64) for _ in ours.cell.states)
    for x_BI in batch.x:
        states = cell(x_BI, states if model == "lstm" else states[0])
        states = states if model == "lstm" else (states,)
        for state in states:
            state.register_hook(cut)
    losses = parts.task.step_losses(parts.model.readout(states[0]), batch)
    wanted = torch.autograd.grad(losses.mean(), list(cell.parameters()))
    train_step(parts, 0, parts.task, None, torch.enable_grad(), measure_update=False)
    return [p.grad for p in ours.parameters()], list(wanted)


@pytest.mark.parametrize("max_norm", [0.05, 1e6])
@pytest.mark.parametrize("model", ["rnn", "lstm", "gru"])
def test_a_training_step_equals_that_of_torchs_cells_with_hooks_on_their_states(model, max_norm):
    found, wanted = first_gradients(model, max_norm)
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-14)


def test_recorded_profiles_are_those_after_clipping_lag_curves_are_not_clipped_and_the_share_of_clipped_steps_is_said():
    shown = {}
    for clip in ("clip.max_norm=0.01", "clip.max_norm=1e6"):
        run = seqablate.train(
            [*WORDS, clip, "model=lstm", "steps=4", "probe.every=2", "eval.every=4", "eval.size=8", "quiet=true"]
        )
        rows = read_record(run.path)
        assert [row.clipped for row in rows.train] == [int(clip == "clip.max_norm=0.01")] * 4
        assert [row.grad_norm_clipped for row in rows.train] == [row.grad_norm for row in rows.train]
        assert run.info.clipped_share == (clip == "clip.max_norm=0.01")
        shown[clip] = {
            (s.quantity, s.place.state, s.step): s.values
            for s in rows.stream_signals()
            if s.quantity in ("total", "lag")
        }
    cut, free = shown.values()
    for (quantity, _, step), values in cut.items():
        assert quantity != "total" or np.max(values) <= 0.01 * (1 + 1e-9)
        assert quantity != "lag" or step or np.max(values) > 0.01
    assert max(np.max(values) for (quantity, *_), values in free.items() if quantity == "total") > 0.02
    assert {step for quantity, _, step in cut if quantity == "total"} == {0, 2, 4}
    for state in "hc":
        np.testing.assert_array_equal(cut["lag", state, 0], free["lag", state, 0])
