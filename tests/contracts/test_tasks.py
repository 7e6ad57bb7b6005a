"""Every task, the same promises."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from seqablate.assemble import build_task
from seqablate.config.compose import compose_config
from seqablate.config.task_spec import TaskSpec
from seqablate.streams import stream
from seqablate.tasks.base import NO_TARGET, Batch

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
    **{f"digits-{order}": ["task=digits", f"task.order={order}"] for order in ("rows", "permuted")},
    "digits-by-rows": ["task=digits", "task.step=row"],
    "dyck": ["task=dyck", "task.length=20"],
    "flip_flop": ["task=flip_flop", "task.length=20"],
    "latch": ["task=latch", "task.length=30"],
    "memorization": ["task=memorization", "task.length=12"],
    **{f"modular-{v}": ["task=modular", f"task.variant={v}"] for v in ("sum", "cycle")},
    "multiplication": ["task=multiplication", "task.length=30"],
    "parity": ["task=parity"],
    "parity-tokens": ["task=parity", "task.tokens=true"],
    "permutation": ["task=permutation", "task.length=12"],
    "recall-mqar": ["task=recall", "task.length=24", "task.vocab_size=32"],
    "recall-h3": ["task=recall", "task.variant=h3", "task.length=20", "task.vocab_size=10"],
    "reverse": ["task=reverse", "task.length=4"],
    "selective_copy": ["task=selective_copy", "task.length=12"],
    **{f"state_tracking-{g}": ["task=state_tracking", f"task.group={g}"] for g in ("S3", "A5")},
    "xor": ["task=xor", "task.length=30"],
    **{f"agreement-{v}": ["task=agreement", f"task.variant={v}"] for v in ("supervised", "lm")},
    "lm-char": ["task=lm", "task.bptt=16"],
    "lm-word": ["task=lm", "task.bptt=16", "task.level=word"],
    **{
        f"spans-{o}": ["model=t5", "task=span_corruption", "task.length=16", f"task.objective={o}"]
        for o in ("span_corruption", "prefix_lm", "deshuffle", "denoise")
    },
}
each_task = pytest.mark.parametrize("name", TASKS)
OF_TEXT = ("lm", "spans")  # without labels that could be shuffled
each_labelled_task = pytest.mark.parametrize("name", [name for name in TASKS if not name.startswith(OF_TEXT)])


def build(name: str, *more: str):
    return build_task(compose_config([*TASKS[name], *SMALL, *more]))


def target_steps(spec: TaskSpec, steps: int) -> int:
    """How many of a batch's steps have a target, where there is one at every step: a source has none."""
    return steps - (spec.source_steps or 0)


def comes_next(batch: Batch, source: int) -> bool:
    """Whether each target behind the source is the next input, where a sample has a next one."""
    x, y = batch.x[source:], batch.y
    lengths = len(batch.x) if batch.lengths is None else batch.lengths
    valid = np.arange(source + 1, len(batch.x))[:, None] < lengths
    return bool((x[1:] == y[:-1])[valid & (y[:-1] != NO_TARGET)].all())


def last_target(y: np.ndarray) -> int:
    """Of one sample, after the last step that has one."""
    return y.ravel()[y.ravel() != NO_TARGET][-1]


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


def first(batch: Batch, count: int) -> tuple[np.ndarray, ...]:
    """The first samples, without the padding that only a longer one beside them needs."""
    steps = len(batch.x) if batch.lengths is None else batch.lengths[:count].max()
    lengths = np.zeros(0) if batch.lengths is None else batch.lengths[:count]
    y = batch.y[..., :count]
    padded = y.ndim == 2 and batch.lengths is not None
    return batch.x[:steps, :count], y[:steps] if padded else y, lengths


DRAWN = [name for name in TASKS if not name.startswith(("lm", "digits"))]
SHUFFLED = [(name, ("task.shuffle_labels=true",)) for name in DRAWN if not name.startswith(OF_TEXT)]


@pytest.mark.parametrize(("name", "more"), [*((name, ()) for name in DRAWN), *SHUFFLED])
def test_a_smaller_batch_is_the_beginning_of_a_larger_one(name, more):
    apart = False
    for step in (0, 1, 2, 3):
        small, large = (build(name, f"batch_size={size}", *more).train_batch(step) for size in (5, 13))
        for a, b in zip(first(small, 5), first(large, 5), strict=True):
            np.testing.assert_array_equal(a, b)
        assert not np.array_equal(small.x, large.x[:, -5:])
        apart |= not np.array_equal(small.y, large.y[..., -5:])
    assert apart


@pytest.mark.parametrize("name", [name for name in TASKS if not name.startswith("lm")])
@pytest.mark.parametrize("split", ["evaluation", "test"])
def test_a_smaller_evaluation_is_the_beginning_of_a_larger_one(name, split):
    few, many = (list(build(name, f"eval.size={size}").eval_batches(split)) for size in (260, 290))
    assert [b.x.shape[1] for b in few] == [250, 10]
    for a, b in zip(few, many, strict=True):
        for of_few, of_many in zip(first(a, a.x.shape[1]), first(b, a.x.shape[1]), strict=True):
            np.testing.assert_array_equal(of_few, of_many)


@pytest.mark.parametrize("name", [name for name in TASKS if name.startswith("digits")])
def test_digits_are_read_in_the_same_order_for_every_batch_size(name):
    small, large = (build(name, f"batch_size={size}") for size in (50, 150))
    read = [np.concatenate([task.train_batch(s).x for s in range(n)], 1) for task, n in ((small, 30), (large, 10))]
    np.testing.assert_array_equal(*read)  # 1,500 images: more than an epoch of 1,197


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
    assert batch.y.shape == ((target_steps(task.spec, T), B) if task.spec.every_step else (B,))
    assert batch.x.flags.c_contiguous
    assert batch.y.flags.c_contiguous
    if batch.lengths is not None:
        assert batch.lengths.max() == T


@each_task
def test_traits_are_known_from_the_config_and_hold_for_the_data(name):
    config = compose_config([*TASKS[name], *SMALL])
    task = build_task(config)
    assert config.task.traits.sized(task.spec.input_size, task.spec.output_size) == task.spec
    spec, batches = task.spec, [task.train_batch(step) for step in range(3)]
    steps = {len(batch.x) for batch in batches}
    if spec.length is not None:
        assert steps == {spec.length}
        assert all(batch.lengths is None for batch in batches)
    assert max(steps) <= spec.horizon
    if spec.image is not None:
        assert spec.image[0] * spec.image[1] == spec.length
    for batch in batches:
        targets_are_inputs = spec.every_step and spec.tokens and comes_next(batch, spec.source_steps or 0)
        assert targets_are_inputs == spec.causal_only


@each_task
def test_losses_and_scores_are_per_sample_and_differentiable(name):
    task = build(name)
    batch = task.train_batch(0).tensors(torch.device("cpu"), torch.float64)
    T, B = batch.x.shape[:2]
    shape = (T, B, task.spec.output_size) if task.spec.every_step else (B, task.spec.output_size)
    output = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    losses = task.step_losses(output, batch)
    assert losses.shape == batch.y.shape
    assert all(value.shape == (B,) for value in task.scores(output, batch).values())
    losses[..., 0].sum().backward()
    others = output.grad.transpose(0, -2)[1:] if output.dim() == 3 else output.grad[1:]
    assert not others.any()  # one sample's loss touches its own output only
    assert output.grad.any()


@each_labelled_task
def test_shuffled_labels_leave_training_inputs_and_evaluation_as_they_are(name):
    (task, again), true = (build(name, "task.shuffle_labels=true") for _ in range(2)), build(name)
    source = slice(task.spec.source_steps)  # what follows a source are targets
    for step in range(3):
        batch, as_drawn = task.train_batch(step), true.train_batch(step)
        assert np.array_equal(batch.x[source], as_drawn.x[source])
        assert not np.array_equal(batch.y, as_drawn.y)
        assert same(batch, again.train_batch(step))
    for split in ("evaluation", "test"):
        assert all(same(a, b) for a, b in zip(task.eval_batches(split), true.eval_batches(split), strict=True))


@each_labelled_task
def test_shuffled_labels_agree_with_the_true_ones_no_more_than_chance_would(name):
    size = "batch_size=1"  # where a shuffle within the batch would change nothing
    task, true = build(name, "task.shuffle_labels=true", size), build(name, size)
    given, wanted = ([last_target(t.train_batch(step).y[..., 0]) for step in range(600)] for t in (task, true))
    assert abs(np.corrcoef(given, wanted)[0, 1]) < 5 / math.sqrt(600)


@each_task
def test_chance_is_worse_than_the_goal_and_the_goal_is_solved(name):
    task = build(name)
    results = task.summarise(1.0, {"mse": 1.0, "abs_error": 1.0, "wrong": 1.0, "accuracy": 0.0, "exact": 0.0})
    assert not task.solved(results)
    headline = task.metrics[0]
    if headline.goal is not None:
        assert (headline.goal < headline.chance) == headline.lower_is_better
        perfect = {"mse": 0.0, "abs_error": 0.0, "wrong": 0.0, "accuracy": 1.0, "exact": 1.0, "loss": 0.0}
        assert task.solved(perfect)


@each_task
def test_only_language_models_have_a_sample(name):
    task = build(name)
    logits = np.zeros(task.spec.output_size)
    text = task.sample(lambda tokens, state: (logits, state), stream(0, "sample"))
    assert (text is not None) == name.startswith("lm")
