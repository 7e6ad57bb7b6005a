"""A GPU computes what a CPU computes: every kind of model, clip, regularizer and optimizer.

Rounding differs, so figures agree to 1e-9 of their size in float64, to 2e-5 in float32, and not to the bit.
"""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from architectures import KINDS, Case

import seqablate
from seqablate.assemble import assemble, read_overrides
from seqablate.config.registry import variants
from seqablate.errors import UsageError
from seqablate.training.step import train_step

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
SMALL = ["batch_size=3", "dtype=float64", "eval.size=20", "model.dropout=0"]
LSTM = ["model=lstm", "model.hidden_size=5", "task=adding", "task.length=10", *SMALL]


def trained(words: list[str], device: str, steps: int) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """What was measured at each step, [steps, measures], and the weights after the last one."""
    parts = assemble(read_overrides([*words, f"device={device}"]))
    made, carried = [], None
    for step in range(steps):
        outcome = train_step(parts, step, parts.task, carried, nullcontext(), measure_update=True)
        carried = outcome.carried
        made.append(outcome.measured.cpu())
    return torch.stack(made), [p.detach().cpu() for p in parts.model.parameters()]


def agree(words: list[str], steps: int = 3) -> None:
    ours, theirs = (trained(words, device, steps) for device in ("cuda", "cpu"))
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12, equal_nan=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_learns_on_a_gpu_what_it_learns_on_a_cpu(kind):
    agree([*Case(kind, "none", False, 2).words, *SMALL, "optim=sgd"])


@pytest.mark.parametrize("name", variants("clip"))
def test_a_clip_changes_a_gradient_on_a_gpu_as_on_a_cpu(name):
    agree([*LSTM, f"clip={name}", "optim=sgd", "optim.lr=0.1"])


@pytest.mark.parametrize("name", variants("regularizer"))
@pytest.mark.parametrize("model", ["rnn", "gru"])
def test_a_regularizer_adds_on_a_gpu_what_it_adds_on_a_cpu(model, name):
    words = [*LSTM, f"model={model}", f"regularizer={name}", "optim=sgd"]
    try:
        assemble(read_overrides([*words, "device=cpu"]))
    except UsageError:
        pytest.skip(f"regularizer={name} does not act on model={model}")
    agree(words)


@pytest.mark.parametrize("name", variants("optim"))
def test_an_optimizer_makes_the_same_updates_on_a_gpu(name):
    guessed = ["model=rnn", "task=latch", "task.length=10", "model.hidden_size=1", "clip=none", *SMALL]
    agree([*(guessed if name == "random_guess" else LSTM), f"optim={name}"], steps=20)


@pytest.mark.parametrize("words", [LSTM, ["model=cnn", "task=digits"]], ids=["lstm", "cnn"])
def test_float32_on_a_gpu_has_all_its_digits(tmp_path, words):
    """TensorFloat-32, torch's default in cuDNN, would leave three of them."""
    words = [*words, "dtype=float32", "steps=1", "probe.every=0", f"output_dir={tmp_path}"]
    theirs, ours = (seqablate.train([*words, f"device={device}", f"name={device}"]) for device in ("cpu", "cuda"))
    assert ours.record.train[0].grad_norm == pytest.approx(theirs.record.train[0].grad_norm, rel=2e-5)


def test_a_run_on_a_gpu_records_the_gradients_of_a_run_on_a_cpu(tmp_path):
    words = [*LSTM, "steps=20", "eval.every=10", "probe.every=5", "checkpoint.every=10", f"output_dir={tmp_path}"]
    theirs = seqablate.train([*words, "device=cpu", "name=cpu"])
    ours = seqablate.train([*words, "device=cuda", "name=gpu"])
    assert (ours.status, ours.info.device) == ("done", "cuda")
    assert ours.info.final["mse"] == pytest.approx(theirs.info.final["mse"], rel=1e-9)
    keys = [name for name in ours.signals.columns if name != "value"]
    pairs = ours.signals.merge(theirs.signals, on=keys, suffixes=("", "_cpu"))
    assert len(pairs) == len(ours.signals) == len(theirs.signals) > 0
    assert pairs.value.to_numpy() == pytest.approx(pairs.value_cpu.to_numpy(), rel=1e-9, abs=1e-15)


def test_the_state_clip_inside_of_a_recurrence_acts_on_a_gpu_as_on_a_cpu():
    agree([*LSTM, "clip=state", "clip.max_norm=1e-4", "optim=sgd", "optim.lr=1"])
