"""Random weight guessing: what is drawn, what is kept, what is counted, and how a run with it ends."""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch

import seqablate
from seqablate.assemble import assemble, read_overrides
from seqablate.cli import main
from seqablate.clip.base import Clip
from seqablate.errors import UsageError
from seqablate.optim.guess import RandomGuess
from seqablate.streams import stream_seed
from seqablate.training.step import _no_gradient, train_step

WORDS = [
    "optim=random_guess", "clip=none", "task=latch", "task.length=10", "model=rnn", "model.hidden_size=1",
    "batch_size=16", "eval.every=20", "eval.size=200", "probe.every=0", "checkpoint.every=100", "device=cpu",
]  # fmt: skip


def weights(model: torch.nn.Module) -> list[torch.Tensor]:
    return [p.detach().clone() for p in model.parameters()]


def test_a_guess_depends_on_its_seed_alone_and_fills_the_interval():
    made = [torch.nn.Parameter(torch.zeros(100, 50)), torch.nn.Parameter(torch.zeros(20))]
    optimizer = RandomGuess(made, 3.0)
    optimizer.guess(5)
    first = [p.detach().clone() for p in made]
    optimizer.guess(6)
    assert not torch.equal(made[0], first[0])
    optimizer.guess(5)
    assert all(torch.equal(p, one) for p, one in zip(made, first, strict=True))
    assert (first[0].min().item(), first[0].max().item()) == pytest.approx((-3, 3), abs=0.01)
    assert first[0].abs().max() <= 3
    assert abs(first[0].mean()) < 0.1  # of 5000 draws, whose standard error is 0.024


def test_a_step_draws_what_its_number_says_and_a_guess_that_answers_the_batch_is_kept():
    parts = assemble(read_overrides(WORDS))
    kept = 0
    for step in range(300):
        before = weights(parts.model)
        batch = parts.task.train_batch(step).tensors(parts.device, parts.dtype)
        with torch.no_grad():
            right = bool((parts.model(batch.x, batch.lengths)[0].argmax(1) == batch.y).all())
        outcome = train_step(parts, step, parts.task, None, nullcontext(), measure_update=False)
        assert outcome.guessed != right
        expected, generator = before, torch.Generator().manual_seed(stream_seed(0, "guess", step))
        if outcome.guessed:
            expected = [torch.empty_like(p).uniform_(-100, 100, generator=generator) for p in before]
        assert all(torch.equal(a, b) for a, b in zip(expected, weights(parts.model), strict=True))
        assert outcome.measured[1] == 0  # no gradient is taken
        kept += right
    assert 0 < kept < 300


def test_the_numbers_of_a_step_without_a_gradient_are_on_the_device_of_its_loss():
    """Where the loss is on a GPU they are stacked with it; torch's device kind "meta" stands for a GPU here."""
    found = _no_gradient(torch.zeros((), device="meta"))
    assert {x.device.type for x in (found.norm_before, found.norm_after, found.clipped)} == {"meta"}
    assert found.norm_before.dtype == torch.float64


def test_a_guess_asks_no_clip_for_its_numbers():
    parts = replace(assemble(read_overrides(WORDS)), clip=Clip())  # which raises where it is called
    outcome = train_step(parts, 0, parts.task, None, nullcontext(), measure_update=True)
    assert outcome.measured[1:4].tolist() == [0, 0, 0]


def test_a_run_ends_when_a_guess_is_confirmed_and_its_tries_are_said(tmp_path, capsys):
    assert main(["train", *WORDS, "steps=5000", f"output_dir={tmp_path}", "name=a"]) == 0
    run = seqablate.load_run(tmp_path / "a")
    assert run.info.solved_at is not None
    assert 0 < run.info.guesses < run.info.step
    assert f"all weights were drawn {run.info.guesses} times, each guess tested on a batch" in capsys.readouterr().out


@pytest.mark.parametrize("more", [[], ["on_nonfinite=skip", "skip_above=1e-9"]], ids=["stop", "skip"])
def test_a_guess_that_is_not_finite_is_replaced_and_ends_no_run(tmp_path, more):
    """The identity multiplies a state by up to 1e6 at each of 100 timesteps: beyond float32 for most guesses."""
    task = ["task=adding", "task.length=100", "model.nonlinearity=identity", "optim.bound=1e6"]
    run = seqablate.train([*WORDS, *task, *more, "eval.every=2", "steps=6", f"output_dir={tmp_path}", "name=a"])
    losses = [row.loss for row in run.record.train]
    assert (run.status, len(losses), run.info.skipped, run.info.guesses) == ("done", 6, 0, 6)
    assert sum(not math.isfinite(loss) for loss in losses) > 2
    assert run.info.solved_at is None
    assert not any(math.isfinite(row.loss) for row in run.record.evals[1:])
    assert math.isfinite(run.info.best.value)


def test_a_measured_profile_changes_nothing(tmp_path):
    words = [*WORDS, "steps=6", f"output_dir={tmp_path}"]
    runs = [seqablate.train([*words, f"probe.every={n}", f"name=p{n}"]) for n in (0, 2)]
    assert [len(run.record.signals) > 0 for run in runs] == [False, True]
    for a, b in zip(*(weights(run.load_model()) for run in runs), strict=True):
        assert torch.equal(a, b)


def test_the_interval_of_the_weights_is_within_the_range_of_float32():
    with pytest.raises(UsageError, match=r"optim.bound=1e\+300: is too large; must be at most 1e\+30"):
        read_overrides([*WORDS, "optim.bound=1e300"])
    RandomGuess(
        [made := torch.nn.Parameter(torch.zeros(100))], read_overrides([*WORDS, "optim.bound=1e30"]).optim.bound
    ).guess(0)
    assert made.isfinite().all()


@pytest.mark.parametrize("words", [["regularizer=l2"], ["clip=norm"]], ids=str)
def test_what_changes_a_gradient_is_refused_where_none_is_taken(words):
    group = words[0].partition("=")[0]
    with pytest.raises(UsageError, match=f"optim=random_guess takes no gradient .*: use {group}=none"):
        read_overrides([*(word for word in WORDS if not word.startswith(group)), *words])
