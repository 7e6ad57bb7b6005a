#!/usr/bin/env python3
"""What probing costs: every 10th step of whole training runs, or a single step of a user's own model (``--step``).

Of whole runs: record and TensorBoard events on, against probe.every=0.
The two runs of a round are trained side by side in one process, on one core, taking turns every ten steps, so that a
machine whose speed drifts slows both alike. Figures are each side's CPU time, its evaluations, lag curves, record,
events and pictures included; a short round of each shape is not counted.

    python scripts/bench_probe.py --rounds 3
    python scripts/bench_probe.py --step --rounds 30

``--step`` measures forward pass, backward pass and Adam's update of a model of two layers of nn.LSTM, nn.GRU or nn.RNN
and a readout of the last step: bare, with all norms from our kernels, and with all norms from torch's kernels. The
three take turns, in CPU time.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from unittest.mock import patch

import torch
from torch import nn

from seqablate.assemble import assemble, read_overrides
from seqablate.engine.backends import stack
from seqablate.probe import TimestepProbe
from seqablate.record.rows import Row, TrainRow
from seqablate.report.plain import SilentReporter
from seqablate.training.run import start_run

# T, B, D and steps: runs as long as real ones (3000 is the default budget), for pictures are drawn at their end.
SHAPES = {
    "100/32/64": (100, 32, 64, 3000),
    "750/32/128": (750, 32, 128, 400),
}
TURN = 10  # steps


class Baton(SilentReporter):
    """Watches one of two runs and lets the other go on after every tenth step."""

    condition = threading.Condition()
    running = 0
    finished: set[int]

    def __init__(self, side: int) -> None:
        self.side = side

    def row(self, row: Row) -> None:
        if isinstance(row, TrainRow) and row.step % TURN == TURN - 1:
            self.hand_over()
            self.wait()

    def wait(self) -> None:
        with self.condition:
            self.condition.wait_for(lambda: Baton.running == self.side or 1 - self.side in Baton.finished)

    def hand_over(self, finished: bool = False) -> None:
        with self.condition:
            if finished:
                Baton.finished.add(self.side)
            Baton.running = 1 - self.side
            self.condition.notify_all()


def seconds(model: str, shape: tuple[int, int, int, int], every: int, folder: str) -> list[float]:
    """CPU seconds of the probed and of the plain run."""
    T, B, D, steps = shape
    words = [f"model={model}", f"task.length={T}", f"batch_size={B}", f"model.hidden_size={D}", f"steps={steps}"]
    words += [f"eval.every={steps}", "eval.size=64", "checkpoint.every=0", "stop_when_solved=false", "device=cpu"]
    spent = [0.0, 0.0]
    Baton.running, Baton.finished = 0, set()

    both = [assemble(read_overrides([*words, f"probe.every={k}", f"output_dir={folder}"])) for k in (every, 0)]

    def run(side: int) -> None:
        baton = Baton(side)
        baton.wait()
        start = time.thread_time()
        start_run(both[side], baton, [])
        spent[side] = time.thread_time() - start
        baton.hand_over(finished=True)

    threads = [threading.Thread(target=run, args=(side,)) for side in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return spent


class Third(nn.Module):
    """A model as others write it."""

    def __init__(self, kind: str, hidden: int) -> None:
        super().__init__()
        self.core = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[kind](2, hidden, num_layers=2)
        self.readout = nn.Linear(hidden, 1)

    def forward(self, x_TBI: torch.Tensor) -> torch.Tensor:
        return self.readout(self.core(x_TBI)[0][-1])[:, 0]


def step_seconds(kind: str, T: int, B: int, D: int, rounds: int) -> list[list[float]]:
    """CPU seconds of a step of each side (bare, our kernels, torch's), by round."""
    model = Third(kind, D)
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    x, y = torch.randn(T, B, 2), torch.randn(B)

    def bare() -> None:
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()

    def probed() -> None:
        with TimestepProbe(model) as probe:
            bare()
        assert probe["core"].total["h"].shape == (2, 1, T, B)

    def on_torch() -> None:
        with patch.object(stack, "fits", lambda call: False):
            probed()

    found = []
    for _ in range(rounds + 2):  # two to warm up
        found.append([])
        for side in (bare, probed, on_torch):
            start = time.process_time()
            side()
            found[-1].append(time.process_time() - start)
    return found[2:]


def step_costs(arguments: argparse.Namespace) -> None:
    for name in arguments.shapes:
        T, B, D, _ = SHAPES[name]
        for kind in arguments.models:
            found = step_seconds(kind, T, B, D, arguments.rounds)
            ours, on_torch = (statistics.median(row[k] / row[0] for row in found) for k in (1, 2))
            ms = 1000 * statistics.median(row[0] for row in found)
            print(
                f"T/B/D {name:10} nn.{kind.upper():4}  bare {ms:7.2f} ms  probed / bare: our kernels {ours:.2f}  "
                f"torch's {on_torch:.2f}",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--models", nargs="+", default=["lstm", "gru", "rnn"])
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument("--shapes", nargs="+", default=list(SHAPES), choices=list(SHAPES), help="T/B/D")
    parser.add_argument("--step", action="store_true", help="a step of a user's own model, in place of whole runs")
    parser.add_argument("--steps", type=int, help="of each run, in place of as many as real ones have")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, one thread, median of {arguments.rounds} rounds")
    if arguments.step:
        return step_costs(arguments)
    for name in arguments.shapes:
        T, B, D, steps = SHAPES[name]
        shape = (T, B, D, arguments.steps or steps)
        for model in arguments.models:
            with tempfile.TemporaryDirectory() as folder:
                seconds(model, (*shape[:3], 2 * TURN), arguments.every, folder)  # imports, kernels, fonts
                pairs = [seconds(model, shape, arguments.every, folder) for _ in range(arguments.rounds)]
            probed, plain = (statistics.median(side) for side in zip(*pairs, strict=True))
            ratio = statistics.median(a / b for a, b in pairs)
            per_step = 1000 / shape[3]
            print(
                f"T/B/D {name:10} {model:4}  probed {probed * per_step:7.2f} ms/step  "
                f"plain {plain * per_step:7.2f} ms/step  ratio {ratio:.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
