"""Every task, the same promises."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seqablate.assemble import build_task
from seqablate.config.compose import compose_config
from seqablate.streams import stream
from seqablate.tasks.base import Batch

SMALL = ["batch_size=8", "eval.size=40"]
TASKS = {
    **{
        f"adding-{v}": ["task=adding", f"task.variant={v}", "task.length=30"]
        for v in ("arjovsky", "tcn", "pascanu", "hs97")
    },
    "copy": ["task=copy", "task.length=12"],
    **{
        f"order-{v}-{n}": ["task=temporal_order", f"task.variant={v}", f"task.symbols={n}", "task.length=30"]
        for v in ("pascanu", "hs97")
        for n in (2, 3)
    },
    "lm-char": ["task=lm", "task.bptt=16"],
    "lm-word": ["task=lm", "task.bptt=16", "task.level=word"],
}
each_task = pytest.mark.parametrize("name", TASKS)


def build(name: str, *more: str):
    return build_task(compose_config([*TASKS[name], *SMALL, *more]))


def same(a: Batch, b: Batch) -> bool:
    return np.array_equal(a.x, b.x) and np.array_equal(a.y, b.y)


@each_task
def test_a_training_batch_is_a_pure_function_of_seed_and_step(name):
    task, again = build(name), build(name)
    task.train_batch(0)
    assert same(task.train_batch(5), again.train_batch(5))
    assert not same(task.train_batch(5), task.train_batch(6))


@each_task
def test_evaluation_data_do_not_depend_on_the_runs_seed_and_differ_from_test_data(name):
    evaluation = list(build(name).eval_batches("evaluation"))
    elsewhere = list(build(name, "seed=9").eval_batches("evaluation"))
    test = list(build(name).eval_batches("test"))
    assert all(same(a, b) for a, b in zip(evaluation, elsewhere, strict=True))
    assert not same(evaluation[0], test[0])


@each_task
def test_shapes_and_types_are_those_of_the_spec(name):
    task = build(name)
    batch = task.train_batch(0)
    T, B = batch.x.shape[:2]
    assert B == 8
    assert batch.x.dtype == (np.int64 if task.spec.tokens else np.float32)
    assert batch.x.ndim == (2 if task.spec.tokens else 3)
    if task.spec.tokens:
        assert 0 <= batch.x.min() <= batch.x.max() < task.spec.input_size
    else:
        assert batch.x.shape[2] == task.spec.input_size
    assert batch.y.shape == ((T, B) if task.spec.every_step else (B,))
    if batch.lengths is not None:
        assert batch.lengths.max() == T


@each_task
def test_losses_and_scores_are_per_sample_and_differentiable(name):
    task = build(name)
    batch = task.train_batch(0).tensors(torch.device("cpu"), torch.float64)
    T, B = batch.x.shape[:2]
    shape = (T, B, task.spec.output_size) if task.spec.every_step else (B, task.spec.output_size)
    output = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    losses = task.step_losses(output, batch)
    assert losses.shape == ((T, B) if task.spec.every_step else (B,))
    assert all(value.shape == (B,) for value in task.scores(output, batch).values())
    losses[..., 0].sum().backward()
    others = output.grad.transpose(0, -2)[1:] if output.dim() == 3 else output.grad[1:]
    assert not others.any()  # one sample's loss touches its own output only
    assert output.grad.any()


@each_task
def test_chance_is_worse_than_the_goal_and_the_goal_is_solved(name):
    task = build(name)
    results = task.summarise(1.0, {"mse": 1.0, "abs_error": 1.0, "wrong": 1.0, "accuracy": 0.0})
    assert not task.solved(results)
    headline = task.metrics[0]
    if headline.goal is not None:
        assert (headline.goal < headline.chance) == headline.lower_is_better
        assert task.solved({"mse": 0.0, "abs_error": 0.0, "wrong": 0.0, "accuracy": 1.0, "loss": 0.0})


@each_task
def test_only_language_models_have_a_sample(name):
    task = build(name)
    logits = np.zeros(task.spec.output_size)
    text = task.sample(lambda tokens, state: (logits, state), stream(0, "sample"))
    assert (text is not None) == name.startswith("lm")
