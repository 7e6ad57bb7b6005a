"""Steps that make no update: which they are, what they leave alone, and what is recorded and said of them."""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import seqablate
import seqablate.training.loop  # whose evaluations are not to see what is patched here
from seqablate.assemble import assemble, read_overrides
from seqablate.cli import main
from seqablate.errors import RunFailure
from seqablate.record.rows import SkipRow
from seqablate.tasks.base import Batch
from seqablate.training import step as module
from seqablate.training.compiled.net import Net
from seqablate.training.skip import ABOVE, MADE, NOT_FINITE, skip
from seqablate.training.step import train_step
from seqablate.training.stepper import stepper

SMALL = [
    "task.length=12", "model.hidden_size=6", "batch_size=4", "steps=20", "eval.every=10", "eval.size=30",
    "checkpoint.every=10", "device=cpu", "probe.every=0",
]  # fmt: skip
BAD = (3, 12)


@pytest.fixture
def bad_steps(monkeypatch):
    """Make the loss of some steps NaN; at one an error may be raised instead. Steps count from here on."""
    real, compiled = module.sample_losses, Net.gradients

    def install(nan: tuple[int, ...], error: int | None = None) -> None:
        count = iter(range(1000))

        def factor() -> float:
            if (step := next(count)) == error:
                raise RuntimeError("stopped by the test")
            return math.nan if step in nan else 1.0

        def changed(losses: torch.Tensor, batch: Batch) -> torch.Tensor:
            return real(losses, batch) * factor()

        def changed_net(net: Net, batch: Batch, observed: bool) -> object:
            return compiled(net, replace(batch, y=batch.y * np.float32(factor())), observed)

        monkeypatch.setattr(module, "sample_losses", changed)
        monkeypatch.setattr(Net, "gradients", changed_net)

    return install


def weights(run: seqablate.Run) -> list[torch.Tensor]:
    return list(run.load_model().state_dict().values())


@pytest.mark.parametrize("model", ["lstm", "rnn"])
def test_a_step_that_is_not_finite_is_left_out_counted_recorded_shown_and_said(tmp_path, capsys, bad_steps, model):
    words = [*SMALL, f"model={model}", "on_nonfinite=skip"]
    bad_steps(BAD)
    assert main(["train", *words, f"output_dir={tmp_path}", "name=a"]) == 0
    run = seqablate.load_run(tmp_path / "a")
    assert "skipped 2 steps of 20: they made no update" in capsys.readouterr().out
    assert [row.step for row in run.record.of(SkipRow)] == list(BAD)
    assert run.info.skipped == 2
    events = EventAccumulator(str(run.path), size_guidance={"scalars": 0}).Reload()
    assert [(event.step, event.value) for event in events.Scalars("optimizer/skipped")] == [(3, 1), (12, 2)]
    bad_steps(())
    parts = assemble(read_overrides(words))
    make_step = stepper(parts)
    for step in set(range(20)) - set(BAD):
        make_step(step, parts.task, None, False, False)
    for one, other in zip(weights(run), parts.model.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_without_the_key_such_a_step_ends_the_run(tmp_path, bad_steps):
    bad_steps(BAD)
    run = seqablate.train([*SMALL, f"output_dir={tmp_path}"])
    assert (run.status, run.info.diverged_at, run.info.skipped) == ("diverged", 3, 0)


def test_steps_with_a_norm_above_the_bound_are_skipped(tmp_path):
    words = [*SMALL, f"output_dir={tmp_path}", "optim=sgd"]
    norms = [row.grad_norm for row in seqablate.train([*words, "optim.lr=1e-30", "name=a"]).record.train]
    bound = sorted(norms)[-4]
    run = seqablate.train([*words, "optim.lr=1e-30", f"skip_above={bound!r}", "name=b"])
    assert [row.step for row in run.record.of(SkipRow)] == [step for step, norm in enumerate(norms) if norm > bound]
    assert run.info.skipped == 3
    assert {row.why for row in run.record.of(SkipRow)} == {"gradient norm above skip_above"}


def test_a_skipped_step_counts_neither_as_clipped_nor_as_regularized_and_measures_no_update(tmp_path):
    words = [*SMALL, f"output_dir={tmp_path}", "optim=sgd", "optim.lr=1e-30", "regularizer=l2", "clip.max_norm=1e-6"]
    norms = [row.grad_norm for row in seqablate.train([*words, "name=a"]).record.train]
    run = seqablate.train([*words, f"skip_above={sorted(norms)[-4]!r}", "name=b"])
    assert (run.info.skipped, run.info.clipped_share, run.info.regularized_share) == (3, 17 / 20, 17 / 20)
    parts = assemble(read_overrides([*words, "skip_above=1e-9"]))
    ratio = train_step(parts, 0, parts.task, None, nullcontext(), measure_update=True).measured[4]
    assert ratio.isnan()


def test_a_carried_state_stays_as_it_was(bad_steps):
    words = ["task=lm", "task.bptt=8", "model.hidden_size=6", "batch_size=4", "device=cpu", "on_nonfinite=skip"]
    parts = assemble(read_overrides(words))
    bad_steps((1,))
    first = train_step(parts, 0, parts.task, None, nullcontext(), measure_update=False).carried
    assert train_step(parts, 1, parts.task, first, nullcontext(), measure_update=False).carried is first
    assert train_step(parts, 2, parts.task, first, nullcontext(), measure_update=False).carried is not first


@pytest.mark.parametrize(
    ("words", "loss", "norm", "expected"),
    [
        ([], math.nan, math.nan, MADE),
        (["on_nonfinite=skip"], 1.0, math.inf, NOT_FINITE),
        (["on_nonfinite=skip"], math.nan, 1.0, NOT_FINITE),
        (["on_nonfinite=skip"], 1.0, 1e300, MADE),
        (["skip_above=2"], 1.0, 2.0, MADE),
        (["skip_above=2"], 1.0, 2.1, ABOVE),
        (["skip_above=2"], 1.0, math.inf, MADE),
        (["skip_above=2", "on_nonfinite=skip"], 1.0, math.inf, NOT_FINITE),
    ],
)
def test_which_steps_are_skipped(words, loss, norm, expected):
    assert skip(read_overrides(words), torch.tensor(loss), torch.tensor(norm, dtype=torch.float64)) == expected


@pytest.mark.parametrize("clip", [["clip=percentile"], ["clip=chain", "clip.parts=[layer,percentile]"]])
def test_a_run_that_failed_goes_on_bit_for_bit_with_the_history_of_its_clip_and_its_skipped_steps(
    tmp_path, bad_steps, clip
):
    words = [*SMALL, *clip, f"output_dir={tmp_path}", "on_nonfinite=skip"]
    bad_steps(BAD)
    whole = seqablate.train([*words, "name=whole"])
    bad_steps(BAD, error=15)
    with pytest.raises((RuntimeError, RunFailure)):
        seqablate.train([*words, "name=parts"])
    bad_steps((2,))  # of the steps made from here on: step 12
    seqablate.api.resume_folder(tmp_path / "parts")
    resumed = seqablate.load_run(tmp_path / "parts")
    assert resumed.info.skipped == whole.info.skipped == 2
    assert resumed.info.clipped_share == whole.info.clipped_share > 0
    for one, other in zip(weights(whole), weights(resumed), strict=True):
        assert torch.equal(one, other)
