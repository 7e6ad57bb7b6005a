"""The digits against scikit-learn's own reader, plain sets and plain loops."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from seqablate.assemble import build_task
from seqablate.config.compose import compose_config
from seqablate.errors import UsageError
from seqablate.tasks.digits import split_by_class


@pytest.fixture(scope="module")
def known() -> dict[bytes, int]:
    """scikit-learn's class of each image, by its pixels: no two of the 1,797 images are equal."""
    data = load_digits()
    known = {image.astype(np.uint8).tobytes(): int(label) for image, label in zip(data.data, data.target, strict=True)}
    assert len(known) == 1797
    return known


def build(*overrides: str):
    return build_task(compose_config(["task=digits", *overrides]))


def pixels(x_TB1: np.ndarray) -> list[bytes]:
    """Each image of a batch as bytes 0..16."""
    return [image.tobytes() for image in np.rint(x_TB1[..., 0].T * 16).astype(np.uint8)]


def part(task, name: str) -> tuple[list[bytes], list[int]]:
    """Images and labels of evaluation or test, or of the training images, each once."""
    if name == "train":
        batches = [task.train_batch(step) for step in range(1197 // task.data.batch_size)]
    else:
        batches = list(task.eval_batches(name))
    return [p for b in batches for p in pixels(b.x)], [int(label) for b in batches for label in b.y]


def test_every_image_is_scikit_learns_with_its_class_and_in_exactly_one_part(known):
    task = build("batch_size=1197")
    seen: list[bytes] = []
    for name in ("train", "evaluation", "test"):
        images, labels = part(task, name)
        assert labels == [known[image] for image in images]
        seen += images
    assert len(seen) == 1797
    assert set(seen) == set(known)
    assert task.train_batch(0).x.max() == 1.0  # 16 of 16
    assert task.train_batch(0).x.min() == 0.0


def test_evaluation_and_test_hold_30_of_each_class_so_that_chance_is_a_tenth(known):
    task = build()
    for name in ("evaluation", "test"):
        assert np.bincount(part(task, name)[1]).tolist() == [30] * 10
    assert task.metrics[0].chance == 0.1
    assert task.metrics[0].goal is None


@pytest.mark.parametrize(("size", "seen"), [(1, 1), (10, 10), (25, 25), (299, 299), (300, 300), (2000, 300)])
def test_a_smaller_evaluation_is_the_balanced_beginning_and_a_larger_one_is_all_there_is(size, seen):
    task, whole = build(f"eval.size={size}"), build("eval.size=300")
    for name in ("evaluation", "test"):
        images, labels = part(task, name)
        assert images == part(whole, name)[0][:seen]
        counts = np.bincount(labels, minlength=10)
        assert counts.max() - counts.min() <= 1
    assert task.metrics[0].chance == np.bincount(part(task, "evaluation")[1]).max() / seen


def test_always_answering_one_digit_reaches_chance():
    task = build()
    right = [
        task.scores(torch.eye(10)[torch.full((len(b.y),), 7)], b.tensors(torch.device("cpu"), torch.float32))
        for b in task.eval_batches("evaluation")
    ]
    assert torch.cat([r["accuracy"] for r in right]).mean().item() == pytest.approx(task.metrics[0].chance)


def test_permuted_is_one_rearrangement_of_the_rows_for_all_images_parts_and_runs(known):
    rows = next(build("eval.size=250").eval_batches("test")).x[..., 0]
    permuted = next(build("task.order=permuted", "eval.size=250").eval_batches("test")).x[..., 0]
    assert not np.array_equal(rows, permuted)
    taken: set[int] = set()
    for row in permuted:  # each timestep, over all images, is some pixel over all images, taken once
        equal = [t for t in range(64) if np.array_equal(rows[t], row) and t not in taken]
        taken.add(equal[0])
    assert taken == set(range(64))
    first, second = (build("task.order=permuted", f"seed={seed}", f"eval.seed={seed}") for seed in (0, 1))
    np.testing.assert_array_equal(*(next(task.eval_batches("test")).x for task in (first, second)))


@pytest.mark.parametrize("order", ["rows", "permuted"])
def test_eight_pixels_at_a_time_are_the_same_pixels_in_the_same_order(order):
    by_pixel, by_row = (build(f"task.order={order}", f"task.step={step}") for step in ("pixel", "row"))
    assert (by_row.spec.length, by_row.spec.input_size) == (8, 8)
    for one, other in (
        (by_pixel.train_batch(3), by_row.train_batch(3)),
        *zip(*(t.eval_batches("test") for t in (by_pixel, by_row)), strict=True),
    ):
        read_BT = [[value for step in image for value in step] for image in other.x.transpose(1, 0, 2).tolist()]
        assert read_BT == one.x[..., 0].T.tolist()
        np.testing.assert_array_equal(one.y, other.y)


def test_permuted_training_images_are_rearranged_as_those_of_evaluation_are():
    rows, permuted = build("batch_size=1197"), build("batch_size=1197", "task.order=permuted")
    x, permuted_x = (
        np.concatenate([t.train_batch(0).x, *(b.x for b in t.eval_batches("evaluation"))], 1) for t in (rows, permuted)
    )
    assert sorted(map(bytes, x[..., 0])) == sorted(map(bytes, permuted_x[..., 0]))  # whole rows: pixel by all images


@pytest.mark.parametrize("size", [1, 7, 32, 1196, 1197])
def test_each_epoch_shows_every_training_image_once_in_a_fresh_order(size):
    task = build(f"batch_size={size}")
    steps = -(-3 * 1197 // size)
    shown = [image for step in range(steps) for image in pixels(task.train_batch(step).x)]
    epochs = [shown[start : start + 1197] for start in (0, 1197, 2394)]
    assert all(len(set(epoch)) == 1197 for epoch in epochs)
    assert set(epochs[0]) == set(epochs[1]) == set(epochs[2])
    assert epochs[0] != epochs[1] != epochs[2]


def test_seeds_differ_in_the_order_of_training_only():
    first, second = build("batch_size=1197"), build("batch_size=1197", "seed=1")
    assert part(first, "train") != part(second, "train")
    assert sorted(part(first, "train")[0]) == sorted(part(second, "train")[0])
    assert part(first, "evaluation") == part(second, "evaluation")


def test_shuffled_labels_are_the_training_labels_in_another_order_fixed_for_the_whole_run(known):
    task, true = build("task.shuffle_labels=true", "batch_size=1197"), build("batch_size=1197")
    images, labels = part(task, "train")
    assert sorted(labels) == sorted(part(true, "train")[1])
    agreement = np.mean([label == known[image] for image, label in zip(images, labels, strict=True)])
    assert agreement == pytest.approx(0.1, abs=5 * np.sqrt(0.1 * 0.9 / 1197))
    later = task.train_batch(9)
    assert dict(zip(pixels(later.x), later.y.tolist(), strict=True)) == dict(zip(images, labels, strict=True))
    for name in ("evaluation", "test"):
        assert part(task, name) == part(true, name)


def test_the_split_is_disjoint_whatever_the_classes():
    y = np.repeat(np.arange(10), 61)
    parts = split_by_class(y)
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(610))
    assert np.bincount(y[parts["train"]]).tolist() == [1] * 10


def test_the_fingerprint_is_that_of_the_pixels_and_classes_and_of_nothing_else():
    data = load_digits()
    table = np.column_stack([data.data, data.target]).astype(np.uint8)
    expected = hashlib.sha256(np.ascontiguousarray(table).tobytes()).hexdigest()
    assert build().fingerprint == build("seed=3", "task.order=permuted").fingerprint == expected


def test_a_batch_larger_than_the_training_part_is_refused_in_one_line():
    with pytest.raises(UsageError, match=r"^batch_size=1198: task=digits has 1197 training images, [^\n]*$"):
        build("batch_size=1198")


def test_without_scikit_learn_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)  # Python's own way of saying: not installed
    with pytest.raises(UsageError, match=r"^task=digits needs scikit-learn: pip install 'seqablate\[digits\]'$"):
        build()


def test_scikit_learn_itself_is_not_imported_for_its_file():
    code = (
        "import sys, json; from seqablate.tasks.digits import read_table; read_table();"
        "print(json.dumps([m for m in ('sklearn', 'scipy', 'torch') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout) == []
