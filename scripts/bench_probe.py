#!/usr/bin/env python3
"""What probing every 10th step costs: whole training runs, record and TensorBoard events on, against probe.every=0.

The two sides alternate in one process, on one thread; figures are medians of process time over the rounds, after a
short run of each that is not counted. Each run includes its evaluations, lag curves, record and events.

    python scripts/bench_probe.py --rounds 5
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time

import torch

import seqablate

# T, B, D and steps: runs as long as real ones (3000 is the default budget), for pictures are drawn at their end.
SHAPES = {
    "100/32/64": (100, 32, 64, 3000),
    "750/32/128": (750, 32, 128, 400),
}


def process_seconds(model: str, shape: tuple[int, int, int, int], every: int, folder: str) -> float:
    T, B, D, steps = shape
    words = [f"model={model}", f"task.length={T}", f"batch_size={B}", f"model.hidden_size={D}", f"steps={steps}"]
    words += [
        f"eval.every={steps}",
        "eval.size=64",
        "checkpoint.every=0",
        f"probe.every={every}",
        f"output_dir={folder}",
    ]
    start = time.process_time()
    seqablate.train([*words, "device=cpu", f"output_dir={folder}"])
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--models", nargs="+", default=["lstm", "gru", "rnn"])
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument("--shapes", nargs="+", default=list(SHAPES), choices=list(SHAPES), help="T/B/D")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, one thread, median of {arguments.rounds} rounds")
    for name in arguments.shapes:
        shape = SHAPES[name]
        for model in arguments.models:
            with tempfile.TemporaryDirectory() as folder:
                sides = (arguments.every, 0)
                for every in sides:  # warm up: imports, kernels, fonts
                    process_seconds(model, (*shape[:3], 2 * arguments.every), every, folder)
                pairs = [
                    [process_seconds(model, shape, every, folder) for every in sides] for _ in range(arguments.rounds)
                ]
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
