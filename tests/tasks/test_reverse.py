"""Reversal against plain Python, its chance levels by simulation, and a decoder that reads its own answers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from seqablate.assemble import build_task
from seqablate.config.compose import compose_config
from seqablate.streams import stream
from seqablate.tasks.base import Batch
from seqablate.tasks.objectives import Classification

CPU = torch.device("cpu")


def build(*overrides: str):
    return build_task(compose_config(["task=reverse", *overrides]))


@pytest.mark.parametrize("length", [1, 2, 3, 10])
@pytest.mark.parametrize("symbols", [2, 8])
def test_source_delimiter_and_the_targets_so_far_are_read_and_the_reversal_is_asked_for(length, symbols):
    task = build(f"task.length={length}", f"task.symbols={symbols}")
    batch = task.sampler(stream(0, "test"), 200)
    assert (task.spec.length, task.spec.source_steps) == (2 * length, length)
    for x, y in zip(batch.x.T.tolist(), batch.y.T.tolist(), strict=True):
        source = x[:length]
        assert y == list(reversed(source))
        assert x == [*source, symbols, *y[:-1]]
    assert set(batch.y.ravel().tolist()) == set(range(symbols))


def test_shuffled_targets_are_another_sources_and_are_the_ones_read_back():
    task = build("task.length=5", "task.shuffle_labels=true", "batch_size=4000")
    batch = task.train_batch(0)
    np.testing.assert_array_equal(batch.x[6:], batch.y[:-1])
    assert (batch.x[5] == 8).all()
    agreement = (batch.x[:5][::-1] == batch.y).mean()
    assert abs(agreement - 1 / 8) < 5 * math.sqrt(1 / 8 * 7 / 8 / batch.y.size)


def test_symbols_are_drawn_uniformly_and_independently():
    y = build("task.length=3", "task.symbols=4").sampler(stream(0, "test"), 40_000).y
    triples = np.bincount(y[0] * 16 + y[1] * 4 + y[2], minlength=64) / 40_000
    assert np.abs(triples - 1 / 64).max() < 5 * math.sqrt(1 / 64 / 40_000)


@pytest.mark.parametrize("S", [1, 4])
def test_outputs_of_all_steps_and_of_the_last_alone_give_torchs_cross_entropy_of_the_last(S):
    generator = torch.Generator().manual_seed(0)
    output_TBO = torch.randn(2 * S, 5, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    batch = Batch(x=torch.zeros(2 * S, 5, 1), y=torch.randint(0, 3, (S, 5), generator=generator))
    objective = Classification(exact=True)
    losses_SB = objective.step_losses(output_TBO, batch)
    expected = torch.stack([F.cross_entropy(output_TBO[S + s], batch.y[s], reduction="none") for s in range(S)])
    torch.testing.assert_close(losses_SB, expected)
    torch.testing.assert_close(objective.step_losses(output_TBO[S:], batch), expected)
    for name, value_B in objective.scores(output_TBO, batch).items():
        torch.testing.assert_close(objective.scores(output_TBO[S:], batch)[name], value_B)
    losses_SB.sum().backward()
    assert not output_TBO.grad[:S].any()
    assert output_TBO.grad[S:].any(-1).all()


def test_accuracy_counts_symbols_and_exact_counts_sequences():
    y = torch.tensor([[0, 1, 2], [1, 1, 0]])
    said = torch.tensor([[0, 1, 0], [1, 2, 2]])  # all right, one of two, none
    scores = Classification(exact=True).scores(F.one_hot(said, 3).float(), Batch(x=y, y=y))
    assert scores["accuracy"].tolist() == [1.0, 0.5, 0.0]
    assert scores["exact"].tolist() == [1.0, 0.0, 0.0]


def test_chance_is_what_guessing_reaches():
    task = build("task.length=3", "task.symbols=4")
    N = 40_000
    batch = task.sampler(stream(1, "test"), N).tensors(CPU, torch.float32)
    guesses = torch.randn(6, N, 4, generator=torch.Generator().manual_seed(0))
    scores = task.scores(guesses, batch)
    for metric in task.metrics:
        value_B = scores[metric.name].double()
        assert abs(value_B.mean().item() - metric.chance) < 5 * value_B.std().item() / math.sqrt(N), metric.name


def test_only_999_of_1000_symbols_count_as_solved():
    task = build()
    assert task.solved({"accuracy": 0.9995, "exact": 0.99})
    assert not task.solved({"accuracy": 0.9985, "exact": 0.99})


def test_a_decoder_that_reads_its_own_answers_gets_the_same_sequences_right():
    n, symbols, B = 4, 3, 2000
    task = build(f"task.length={n}", f"task.symbols={symbols}")
    batch = task.sampler(stream(2, "test"), B).tensors(CPU, torch.float64)

    def next_logits(x_TB: torch.Tensor) -> torch.Tensor:
        """Mostly the right symbol, with an error that hangs on all that has been read."""
        time = len(x_TB)
        wanted_B = x_TB[2 * n - time]  # the first output, after n + 1 inputs, wants source symbol n - 1
        weights = torch.arange(1.0, time + 1, dtype=torch.float64) ** 2
        wrong_B = ((weights @ x_TB.double()) % 7) < 2
        return F.one_hot((wanted_B + wrong_B) % symbols, symbols).double()

    forced_TBO = torch.stack(
        [next_logits(batch.x[: t + 1]) if t >= n else torch.zeros(B, symbols) for t in range(2 * n)]
    )
    exact_B = task.scores(forced_TBO, batch)["exact"].bool()
    read_TB = batch.x[: n + 1]
    for _ in range(n):
        read_TB = torch.cat([read_TB, next_logits(read_TB).argmax(-1)[None]])
    greedy_B = (read_TB[n + 1 :] == batch.y).all(0)
    assert torch.equal(greedy_B, exact_B)
    assert 0.05 < exact_B.double().mean() < 0.95
