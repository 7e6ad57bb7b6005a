#!/usr/bin/env python3
"""What ``threads`` does to a training step: wall time with several threads against one. CPU.

    python scripts/bench_threads.py                                        two threads, against one
    python scripts/bench_threads.py --threads 2 4 --shapes 100/32/256      others

The adding problem, gradients clipped to a global norm of 1, Adam, the norms of every timestep and sample; batches are
drawn before the clock starts. With one thread a plain stack takes the compiled step, with several also, or where
layers are wide the plain one, whose kernels cut the batch. Sides take turns within a round; what is printed are medians
over rounds. As many idle cores as threads are needed. A ratio is to one thread: below 1 several are quicker.

Shapes: T time, B batch, D hidden.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch
from bench_step import Drawn

from seqablate.assemble import assemble, read_overrides
from seqablate.training.stepper import stepper

SHAPES = [f"100/32/{D}" for D in (32, 64, 128, 256, 512)] + [f"50/128/{D}" for D in (32, 64, 128, 256)]
SECONDS = 0.3  # of a side in a round


def side(model: str, shape: str, threads: int) -> Callable[[int], float]:
    """Seconds of wall time that so many steps take."""
    T, B, D = shape.split("/")
    words = [f"model={model}", f"model.hidden_size={D}", "task=adding", f"task.length={T}", f"batch_size={B}"]
    parts = assemble(read_overrides([*words, "clip=norm", "optim=adam", "device=cpu", f"threads={threads}"]))
    task, step = Drawn(parts.task), stepper(parts)

    def run(count: int) -> float:
        torch.set_num_threads(threads)
        start = time.perf_counter()
        for number in range(count):
            step(number, task, None, True, False)
        return time.perf_counter() - start

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["rnn", "gru", "lstm"])
    parser.add_argument("--shapes", nargs="+", default=SHAPES, help="T/B/D")
    parser.add_argument("--threads", nargs="+", type=int, default=[2])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    threads = [1, *options.threads]
    print(f"{'T/B/D':12}{'model':6}" + "".join(f"{n:>5} (ms)" for n in threads) + "   ratios to one")
    for shape in options.shapes:
        for model in options.models:
            sides = {n: side(model, shape, n) for n in threads}
            for run in sides.values():
                run(3)
            counts = {n: max(3, round(3 * SECONDS / run(3))) for n, run in sides.items()}
            rounds = [{n: 1000 * run(counts[n]) / counts[n] for n, run in sides.items()} for _ in range(options.rounds)]
            ms = {n: median(found[n] for found in rounds) for n in threads}
            ratios = " ".join(f"{median(found[n] / found[1] for found in rounds):.2f}" for n in options.threads)
            print(f"{shape:12}{model:6}" + "".join(f"{ms[n]:10.3f}" for n in threads) + f"   {ratios}", flush=True)


if __name__ == "__main__":
    main()
