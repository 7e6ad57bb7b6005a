#!/usr/bin/env python3
"""What probing every 10th step costs: whole training runs, record and TensorBoard events on, against probe.every=0.

The two runs of a round are trained side by side in one process, on one core, taking turns every ten steps, so that a
machine whose speed drifts slows both alike. Figures are each side's CPU time, its evaluations, lag curves, record,
events and pictures included; a short round of each shape is not counted.

    python scripts/bench_probe.py --rounds 3
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time

import torch

from seqablate.assemble import assemble, read_overrides
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--models", nargs="+", default=["lstm", "gru", "rnn"])
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument("--shapes", nargs="+", default=list(SHAPES), choices=list(SHAPES), help="T/B/D")
    parser.add_argument("--steps", type=int, help="of each run, in place of as many as real ones have")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, one thread, median of {arguments.rounds} rounds")
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
