"""The example of the probe's README: a small LSTM that does not learn, and what the probe says about it."""

from __future__ import annotations

import statistics
import textwrap
from pathlib import Path

import torch
from torch import Tensor, nn

from documents.runs import Runs, put_block
from seqablate import TimestepProbe

TIMESTEPS, SAMPLES, STEPS = 200, 32, 2000
LAST = 100  # steps whose loss is averaged


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
    """What the probe prints before training, and the loss afterwards, for a forget bias of 0 and of 2."""
    torch.set_num_threads(1)
    put_block(path, "example", "\n\n".join(_example(bias) for bias in (0, 2)))


def _example(forget_bias: float) -> str:
    torch.manual_seed(0)
    model = Model(forget_bias)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for step in range(STEPS):
        x, y = draw()
        with TimestepProbe(model, states=("h",)) if step == 0 else torch.enable_grad() as probe:
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
        printed = str(probe) if step == 0 else printed
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    end = f"mean squared error of the last {LAST} of {STEPS} steps: {statistics.mean(losses[-LAST:]):.2g}"
    return f"Forget bias {forget_bias}:\n\n" + textwrap.indent(f"{printed}\n\n{end}", "    ")


FILES = {"seqablate/probe/README.md": readme}
