"""Chance levels, positions and targets against the papers' definitions, by simulation and by hand."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from seqablate.assemble import build_task
from seqablate.config.compose import compose_config
from seqablate.streams import stream

ADDING = ["arjovsky", "tcn", "pascanu", "hs97"]
N = 20_000


def draw(*overrides: str, count: int = N):
    task = build_task(compose_config(list(overrides)))
    return task, task.sampler(stream(1, "test"), count)


@pytest.mark.parametrize("variant", ADDING)
def test_the_target_can_be_computed_from_the_marked_values(variant):
    _, batch = draw("task=adding", f"task.variant={variant}", count=500)
    value, marker = (1, 0) if variant == "pascanu" else (0, 1)
    marked_sum = (batch.x[..., value] * (batch.x[..., marker] == 1)).sum(0)
    expected = {"arjovsky": marked_sum, "tcn": marked_sum, "pascanu": marked_sum / 2, "hs97": 0.5 + marked_sum / 4}
    assert ((batch.x[..., marker] == 1).sum(0) == 2).all()
    np.testing.assert_allclose(batch.y, expected[variant], rtol=1e-5)


@pytest.mark.parametrize("variant", ADDING)
def test_chance_is_what_always_answering_the_mean_reaches(variant):
    task, batch = draw("task=adding", f"task.variant={variant}")
    mean = torch.full((N, 1), float(batch.y.mean()))
    scores = {k: v.double() for k, v in task.scores(mean, batch.tensors(torch.device("cpu"), torch.float32)).items()}
    for metric in task.metrics:
        value = scores[metric.name]
        assert abs(value.mean() - metric.chance) < 5 * value.std() / math.sqrt(N), metric.name


def test_adding_arjovsky_marks_one_in_each_half():
    _, batch = draw("task=adding", "task.length=11")
    marks = batch.x[..., 1]
    assert (marks[:5].sum(0) == 1).all()
    assert (marks[5:].sum(0) == 1).all()
    assert batch.x[..., 0].min() >= 0
    assert batch.lengths is None
    assert (marks.sum(1) > 0).all()  # every position comes up


@pytest.mark.parametrize("variant", ["arjovsky", "tcn"])
def test_every_pair_of_marks_is_as_likely_as_the_variant_says_and_tells_nothing_of_the_values(variant):
    T, half = 11, 5
    _, batch = draw("task=adding", f"task.variant={variant}", f"task.length={T}")
    marks = batch.x[..., 1]
    first, second = marks.argmax(0), T - 1 - marks[::-1].argmax(0)  # in order of time
    if variant == "arjovsky":
        expected = {(i, j): 1 / (half * (T - half)) for i in range(half) for j in range(half, T)}
    else:
        expected = {(i, j): 2 / (T * (T - 1)) for i in range(T) for j in range(i + 1, T)}
    counts = Counter(zip(first.tolist(), second.tolist(), strict=True))
    assert counts.keys() == expected.keys()
    found = chisquare([counts[pair] for pair in expected], [N * share for share in expected.values()])
    assert found.pvalue > 1e-4
    for position in (first, second):
        for t in range(T):
            assert abs(np.corrcoef(position, batch.x[t, :, 0])[0, 1]) < 5 / math.sqrt(N)


def test_adding_hs97_follows_the_paper():
    T = 40
    _, batch = draw("task=adding", "task.variant=hs97", f"task.length={T}")
    value, marker = batch.x[..., 0], batch.x[..., 1]
    samples = np.arange(N)
    assert set(batch.lengths) == set(range(T, int(1.1 * T) + 1))
    assert value.min() < -0.99
    positions = np.argsort(marker != 1, axis=0, kind="stable")[:2]  # of the two marks, in order of time
    assert (positions[0] < 10).all()  # at least one among the first ten
    assert (positions.max(0) < batch.lengths // 2 - 1).all()  # both among the first T/2 - 1
    first_marked = marker[0] == 1  # first with 1/10, second with 9/10 of about 1/20
    assert 0.1 < first_marked.mean() < 0.2
    assert (marker[0][~first_marked] == -1).all()
    assert (marker[batch.lengths - 1, samples] == -1).all()
    np.testing.assert_array_equal(value[0] == 0, first_marked)  # its value is 0, whichever mark it has


@pytest.mark.parametrize("length", [22, 40, 100])
def test_hs97_chance_is_in_closed_form_what_100_000_sequences_show(length):
    task, batch = draw("task=adding", "task.variant=hs97", f"task.length={length}", count=100_000)
    error = np.abs(batch.y.astype(np.float64) - 0.5)
    for metric, value in zip(task.metrics, (error, error**2), strict=True):
        assert abs(value.mean() - metric.chance) < 4 * value.std() / math.sqrt(len(value)), metric.name
    # By hand: the share of sequences with a marked first pair, and of these only one value is not 0.
    lengths = range(length, int(1.1 * length) + 1)
    share = np.mean([1 / 10 + 9 / 10 / (n // 2 - 2) for n in lengths])
    assert task.metrics[0].chance == pytest.approx((2 / 3 - share / 6) / 4)


def test_adding_pascanu_positions_and_lengths():
    _, batch = draw("task=adding", "task.variant=pascanu", "task.length=50")
    marker = batch.x[..., 0]
    first = marker.argmax(0)
    second = len(marker) - 1 - marker[::-1].argmax(0)
    assert set(batch.lengths) == set(range(50, 55))
    assert (first < batch.lengths // 10).all()
    assert ((second >= batch.lengths // 10) & (second < batch.lengths // 2)).all()


@pytest.mark.parametrize(
    "overrides",
    [
        ("task=adding", "task.variant=hs97"),
        ("task=adding", "task.variant=pascanu"),
        ("task=temporal_order", "task.variant=hs97"),
    ],
)
def test_padding_stands_at_the_end_and_is_zero(overrides):
    _, batch = draw(*overrides, "task.length=100", count=200)
    padded = np.arange(len(batch.x))[:, None] >= batch.lengths
    assert padded.any()
    assert not batch.x[padded].any()
    assert batch.x[batch.lengths - 1, np.arange(200)].any(-1).all()


def test_copy_follows_arjovsky():
    T = 30
    task, batch = draw("task=copy", f"task.length={T}", count=300)
    symbols = batch.x.argmax(-1)
    assert symbols.shape == batch.y.shape == (T + 20, 300)
    assert ((symbols[:10] >= 1) & (symbols[:10] <= 8)).all()
    assert (symbols[10 : T + 9] == 0).all()  # T - 1 blanks
    assert (symbols[T + 9] == 9).all()  # the delimiter
    assert (symbols[T + 10 :] == 0).all()
    assert (batch.y[: T + 10] == 0).all()
    assert (batch.y[T + 10 :] == symbols[:10]).all()
    assert task.metrics[0].chance == pytest.approx(10 * math.log(8) / (T + 20))


def test_copys_memoryless_solution_has_the_loss_called_chance():
    task, batch = draw("task=copy", "task.length=30", count=300)
    logits = torch.full((50, 300, 9), -1e9)
    logits[:40, :, 0] = 0  # surely blank
    logits[40:, :, 1:] = 0  # one of eight
    losses = task.step_losses(logits, batch.tensors(torch.device("cpu"), torch.float32))
    assert losses.mean().item() == pytest.approx(task.metrics[0].chance, rel=1e-6)
    assert task.solved({"loss": 0.099 * task.metrics[0].chance})
    assert not task.solved({"loss": 0.101 * task.metrics[0].chance})


@pytest.mark.parametrize("symbols", [2, 3])
@pytest.mark.parametrize("variant", ["pascanu", "hs97"])
def test_temporal_order_classes_and_positions(variant, symbols):
    task, batch = draw(
        "task=temporal_order", f"task.variant={variant}", f"task.symbols={symbols}", "task.length=100", count=4000
    )
    x = np.where(batch.x.any(-1), batch.x.argmax(-1), -1)
    windows = {
        ("pascanu", 2): [(10, 20), (50, 60)],
        ("hs97", 2): [(10, 20), (50, 60)],
        ("pascanu", 3): [(10, 20), (30, 40), (60, 70)],
        ("hs97", 3): [(10, 20), (33, 43), (66, 76)],
    }
    special = (x == 0) | (x == 1)
    assert (special.sum(0) == symbols).all()
    for sample in range(300):
        times = np.flatnonzero(special[:, sample])
        length = 100 if batch.lengths is None else batch.lengths[sample]
        for time, (low, high) in zip(times, windows[variant, symbols], strict=True):
            assert low * length // 100 <= time < high * length // 100
        assert batch.y[sample] == int("".join(str(x[t, sample]) for t in times), 2)
    if variant == "hs97":
        assert (x[0] == 6).all()
        assert (x[batch.lengths - 1, np.arange(4000)] == 7).all()
        assert set(batch.lengths) == set(range(100, 111))
    share = np.bincount(batch.y, minlength=2**symbols) / 4000
    assert np.abs(share - task.metrics[0].chance).max() < 5 * math.sqrt(0.25 * 0.75 / 4000)
