"""Runs with a penalty: what changes, what is recorded and said, and what is refused."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import seqablate
from seqablate.assemble import assemble, read_overrides
from seqablate.cli import main
from seqablate.config.registry import variants
from seqablate.errors import UsageError
from seqablate.record.rows import PenaltyRow, SignalRow
from seqablate.training.step import train_step

SMALL = [
    "model=rnn", "task.length=12", "model.hidden_size=6", "batch_size=4", "steps=20", "eval.every=10", "eval.size=30",
    "checkpoint.every=10", "device=cpu", "probe.every=5", "dtype=float64",
]  # fmt: skip
ACTING = [name for name in variants("regularizer") if name != "none"]


def after_one_step(*words: str) -> dict[str, torch.Tensor]:
    parts = assemble(read_overrides([*SMALL, "clip=none", "optim=sgd", "optim.lr=1", *words]))
    train_step(parts, 0, parts.task, None, nullcontext(), measure_update=False)
    return {name: p.detach() for name, p in parts.model.named_parameters()}


@pytest.mark.parametrize("name", ACTING)
def test_a_weight_twice_as_large_adds_a_gradient_twice_as_large(name):
    none, once, twice = (after_one_step(f"regularizer={name}", f"regularizer.weight={w}") for w in (0, 0.25, 0.5))
    assert any(not torch.equal(none[key], once[key]) for key in none)
    for key in none:
        torch.testing.assert_close(2 * (once[key] - none[key]), twice[key] - none[key], rtol=1e-9, atol=1e-12)
    plain = after_one_step("regularizer=none")
    assert all(torch.equal(none[key], plain[key]) for key in none)


def test_omega_changes_the_recurrent_weights_alone():
    none, omega = after_one_step("regularizer=none"), after_one_step("regularizer=omega", "regularizer.weight=1")
    assert [key for key in none if not torch.equal(none[key], omega[key])] == ["stack.layers.0.forward_cell.weight_hh"]


def test_omega_penalises_both_halves_of_an_encoder_decoder_of_vanilla_recurrences():
    words = ["model=seq2seq", "model.cell=rnn", "task=reverse"]
    none, omega = after_one_step(*words), after_one_step(*words, "regularizer=omega", "regularizer.weight=1")
    changed = [key for key in none if not torch.equal(none[key], omega[key])]
    assert [key.partition(".")[0] for key in changed] == ["encoder", "decoder"]
    assert all(key.endswith("weight_hh") for key in changed)


def test_l2_is_weight_decay_of_sgd_without_the_biases():
    weights = {key: p for key, p in after_one_step("regularizer=l2", "regularizer.weight=0.05").items() if p.dim() > 1}
    decayed = after_one_step("optim.weight_decay=0.1")
    for key, p in weights.items():
        torch.testing.assert_close(p, decayed[key], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", ACTING)
def test_the_penalty_of_every_step_is_recorded_and_shown_and_the_first_curves_are_those_of_the_loss(tmp_path, name):
    words = [*SMALL, f"output_dir={tmp_path}"]
    run = seqablate.train([*words, f"regularizer={name}", "regularizer.decay=linear", "name=with"])
    plain = seqablate.train([*words, "name=without"])
    rows = run.record.of(PenaltyRow)
    assert [row.step for row in rows] == list(range(20))
    np.testing.assert_allclose([row.weight / rows[0].weight for row in rows], 1 - np.arange(20) / 20)
    assert min(row.grad_norm for row in rows) > 0
    assert run.info.regularized_share == 1
    assert plain.record.of(PenaltyRow) == []
    first, others = ([row for row in found.record.of(SignalRow) if row.step == 0] for found in (run, plain))
    assert first == others
    assert run.metrics["penalty"].dropna().tolist() == [row.value for row in rows]
    events = EventAccumulator(str(run.path), size_guidance={"scalars": 0}).Reload()
    shown = [event.value for event in events.Scalars("penalty/value")]
    np.testing.assert_array_equal(shown, np.float32([row.value for row in rows]))
    assert len(events.Scalars("penalty/gradient_norm")) == 20


def test_a_penalty_that_adds_nothing_is_said_to_have_never_acted(tmp_path, capsys):
    words = [*SMALL, f"output_dir={tmp_path}", "regularizer=omega", "regularizer.weight=0"]
    assert main(["train", *words]) == 0
    assert "regularizer never acted: this run equals regularizer=none" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (
            ["model=lstm", "regularizer=omega"],
            "regularizer=omega cannot act on model=lstm: its formula",
        ),
        (["model=rnn", "regularizer=omega", "model.time_skip=2"], "its formula knows no time_skip"),
        (["model=mlp", "task=digits", "regularizer=activation"], "on model=mlp: it has no recurrence"),
        (["regularizer=l2", "regularizer.weight=-1"], "regularizer.weight=-1.0: must be at least 0"),
    ],
)
def test_a_penalty_without_meaning_is_refused_in_one_line(words, reason):
    with pytest.raises(UsageError, match=reason) as error:
        assemble(read_overrides(words))
    assert "\n" not in str(error.value)
