"""The example of the probe's README: a small LSTM that learns late or not at all, and what the probe says about it."""

from __future__ import annotations

import math
import statistics
import textwrap
from collections import deque
from pathlib import Path

import torch
from torch import Tensor, nn

from documents.runs import Runs, put_block
from seqablate import TimestepProbe

TIMESTEPS, SAMPLES, STEPS, SEEDS, GOAL = 200, 32, 2000, (0, 1), 0.01
LAST = 50  # steps whose loss is averaged


class Model(nn.Module):
    """An LSTM of 32 units with torch's initial values, but for the bias of the forget gate."""

    def __init__(self, forget_bias: float, size: int = 32) -> None:
        super().__init__()
        self.rnn = nn.LSTM(2, size)
        self.readout = nn.Linear(size, 1)
        with torch.no_grad():
            self.rnn.bias_ih_l0[size : 2 * size] = forget_bias
            self.rnn.bias_hh_l0[size : 2 * size] = 0.0

    def forward(self, x_TBI: Tensor) -> Tensor:
        return self.readout(self.rnn(x_TBI)[0][-1])


def draw() -> tuple[Tensor, Tensor]:
    """The adding problem: one number in each half of the sequence is marked; the target is their sum."""
    value_TB, mark_TB = torch.rand(TIMESTEPS, SAMPLES), torch.zeros(TIMESTEPS, SAMPLES)
    first_B = torch.randint(0, TIMESTEPS // 2, (SAMPLES,))
    second_B, sample_B = torch.randint(TIMESTEPS // 2, TIMESTEPS, (SAMPLES,)), torch.arange(SAMPLES)
    mark_TB[first_B, sample_B] = mark_TB[second_B, sample_B] = 1
    return torch.stack([value_TB, mark_TB], -1), (value_TB[first_B, sample_B] + value_TB[second_B, sample_B])[:, None]


def readme(_: Runs, path: Path) -> None:
    """What the probe prints before training, and when the model has learned, for a forget bias of 0 and of 2."""
    torch.set_num_threads(1)
    put_block(path, "example", "\n\n".join(_example(bias) for bias in (0, 2)))


def _example(forget_bias: float) -> str:
    learned = ", ".join(_train(forget_bias, seed) for seed in SEEDS)
    words = f"steps until the mean squared error is below {GOAL}, with seeds {SEEDS}: {learned}"
    return f"Forget bias {forget_bias}:\n\n" + textwrap.indent(f"{_probe(forget_bias)}\n{words}", "    ")


def _probe(forget_bias: float) -> TimestepProbe:
    torch.manual_seed(SEEDS[0])
    model, (x, y) = Model(forget_bias), draw()
    with TimestepProbe(model, states=("h",)) as probe:
        nn.functional.mse_loss(model(x), y).backward()
    return probe


def _train(forget_bias: float, seed: int) -> str:
    """The number of steps until the mean over the last batches is below the goal."""
    torch.manual_seed(seed)
    model, losses = Model(forget_bias), deque([math.inf], maxlen=LAST)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for step in range(STEPS):
        x, y = draw()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        if statistics.mean(losses) < GOAL:
            return str(step + 1)
    return f"more than {STEPS}"


FILES = {"seqablate/probe/README.md": readme}
