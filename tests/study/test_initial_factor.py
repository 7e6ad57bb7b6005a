"""The study of initial values measures what a plain loop of torch's own cell does."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import seqablate
from seqablate.assemble import build_model, build_task, read_overrides
from seqablate.comparison.measures import gradient_factor
from seqablate.study.file import load_study
from seqablate.study.runs import run_words


def test_the_factor_of_initial_values_is_the_slope_of_a_plain_float64_loop(tmp_path):
    words = [*run_words(load_study("init-decay"), "lstm", (), 5, quick=False), "model.hidden_size=16"]
    run = seqablate.train([*words, f"output_dir={tmp_path}", "name=run", "quiet=true"])

    config = read_overrides(words)
    task = build_task(config)
    model, batch = build_model(config, task), next(task.eval_batches("evaluation"))
    cell = torch.nn.LSTMCell(2, 16).double()
    cell.load_state_dict(model.stack.layers[0]["forward_cell"].state_dict())
    x_TBF, y_B = torch.from_numpy(batch.x).double(), torch.from_numpy(batch.y).double()
    h, c, cells = torch.zeros(32, 16).double(), torch.zeros(32, 16).double(), []
    for x_BF in x_TBF:
        h, c = cell(x_BF, (h, c))
        c.retain_grad()
        cells.append(c)
    (model.readout(h).flatten() - y_B.flatten()).square().sum().backward()
    norm_K = np.array([c.grad.norm(dim=1).mean().item() for c in reversed(cells)])
    slope = np.polyfit(np.arange(1, 100), np.log10(norm_K[1:]), 1)[0]
    assert gradient_factor(run.info) == pytest.approx(10**slope, rel=1e-6)
