"""Losses and scores of steps of which only some have a target, against plain loops over those that have one."""

from __future__ import annotations

import math

import torch

from seqablate.tasks.base import NO_TARGET, Batch
from seqablate.tasks.objectives import Classification
from seqablate.training.step import sample_losses

Y_TB = torch.tensor([[0, -1, 2], [-1, -1, 1], [2, 1, -1], [-1, 0, -1]])
LOGITS_TBO = torch.randn(4, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def asked(b: int) -> list[int]:
    return [t for t in range(4) if Y_TB[t, b] != NO_TARGET]


def test_a_samples_loss_is_the_mean_over_its_steps_with_a_target():
    batch = Batch(x=Y_TB, y=Y_TB)
    losses_TB = Classification().step_losses(LOGITS_TBO, batch)
    for b in range(3):
        of_steps = [
            math.log(sum(math.exp(z) for z in LOGITS_TBO[t, b].tolist())) - LOGITS_TBO[t, b, Y_TB[t, b]].item()
            for t in asked(b)
        ]
        assert abs(sample_losses(losses_TB, batch)[b].item() - sum(of_steps) / len(of_steps)) < 1e-12


def test_the_loss_of_a_step_is_its_own_however_many_others_have_a_target():
    """So that the lag curve is the gradient of one step's loss, and samples with few targets do not stand out."""
    losses_TB = Classification().step_losses(LOGITS_TBO, Batch(x=Y_TB, y=Y_TB))
    for t in range(4):
        for b in range(3):
            logits, y = LOGITS_TBO[t, b].tolist(), int(Y_TB[t, b])
            wanted = 0.0 if y == NO_TARGET else math.log(sum(map(math.exp, logits))) - logits[y]
            assert abs(losses_TB[t, b].item() - wanted) < 1e-12


def test_a_step_without_a_target_passes_no_gradient_back():
    output = LOGITS_TBO.clone().requires_grad_()
    Classification().step_losses(output, Batch(x=Y_TB, y=Y_TB)).sum().backward()
    assert torch.equal(output.grad.any(-1), Y_TB != NO_TARGET)


def test_accuracy_and_exact_count_only_steps_with_a_target():
    answers_TB = Y_TB.clone()
    answers_TB[2, 0] = 0  # the second of two
    answers_TB[3, 2] = 1  # where nothing is asked
    output = torch.nn.functional.one_hot(answers_TB.clamp(min=0), 3).double()
    scores = Classification(exact=True).scores(output, Batch(x=Y_TB, y=Y_TB))
    assert scores["accuracy"].tolist() == [0.5, 1.0, 1.0]
    assert scores["exact"].tolist() == [0.0, 1.0, 1.0]
    last_two = Classification(scored_steps=3).scores(output, Batch(x=Y_TB, y=Y_TB))
    assert last_two["accuracy"].tolist() == [0.0, 1.0, 1.0]
