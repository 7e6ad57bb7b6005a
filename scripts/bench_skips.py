#!/usr/bin/env python3
"""What skips, norms and dilation cost: forward and backward pass against the same model without, sides in turn.

Arithmetic is counted as multiplications: every weight matrix is used once for each timestep, so that the ratio of the
numbers of weights is that of the work in products. One thread, CPU time, medians.

    python scripts/bench_skips.py                # all
    python scripts/bench_skips.py mlp --rounds 50
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from typing import Any

DEPTH = {skip: f"model.skip={skip}" for skip in ("residual", "dense_residual", "highway", "dense")}
TIME = {"time_skip=5": "model.time_skip=5", "norm=cell": "model.norm=cell", "norm=layer": "model.norm=layer"}
# Name: what is changed, of which model.
BENCHES: dict[str, tuple[str, dict[str, str]]] = {
    "lstm": ("model=lstm model.num_layers=3", DEPTH | TIME | {"dilation=2": "model.dilation=2"}),
    "gru": ("model=gru", TIME),
    "rnn": ("model=rnn", TIME),
    "mlp": ("model=mlp model.depth=50 task.length=32", DEPTH | {"norm=layer": "model.norm=layer"}),
    "tcn": ("model=tcn", DEPTH | {"norm=layer": "model.norm=layer"}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("only", nargs="*", help=f"of {', '.join(BENCHES)}")
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    unknown = set(arguments.only) - set(BENCHES)
    if unknown:
        parser.error(f"no such bench: {', '.join(sorted(unknown))}; choose from {', '.join(BENCHES)}")
    os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported
    for name in arguments.only or BENCHES:
        bench(name, arguments.rounds)


def bench(name: str, rounds: int) -> None:
    """Print one model's table."""
    base, changes = BENCHES[name]
    sides = {"none": Side(base), **{label: Side(f"{base} {words}") for label, words in changes.items()}}
    for side in sides.values():
        side.step()
    for _ in range(rounds):
        for side in sides.values():
            side.time()
    plain = sides["none"]
    print(f"{base}: {1000 * plain.median:.2f} ms forward and backward")
    for label, side in list(sides.items())[1:]:
        ratio, work = side.median / plain.median, side.weights / plain.weights
        print(f"  {label:15} {ratio:5.2f} of its time; products {work:5.2f}; {side.backend}", flush=True)


class Side:
    """A model with a batch of its task."""

    def __init__(self, words: str) -> None:
        import torch

        from seqablate.assemble import assemble, read_overrides

        torch.set_num_threads(1)
        self.parts: Any = assemble(read_overrides(["device=cpu", *words.split()]))
        self.batch = self.parts.task.train_batch(0).tensors(self.parts.device, self.parts.dtype)
        self.weights = sum(p.numel() for p in self.parts.parameters if p.dim() > 1)
        self.backend = self.parts.backend
        self.times: list[float] = []

    def step(self) -> None:
        """Forward and backward."""
        output, _ = self.parts.model(self.batch.x)
        output.sum().backward()
        self.parts.optimizer.zero_grad(set_to_none=True)

    def time(self) -> None:
        """One more measurement: the mean of three steps."""
        start = time.process_time()
        for _ in range(3):
            self.step()
        self.times.append((time.process_time() - start) / 3)

    @property
    def median(self) -> float:
        return statistics.median(self.times)


if __name__ == "__main__":
    main()
