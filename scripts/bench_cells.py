#!/usr/bin/env python3
"""What a training step costs with a cell or an option that torch has no kernel of. CPU, one thread.

    python scripts/bench_cells.py                    every cell and option
    python scripts/bench_cells.py mgu gru,norm=cell  some of them
    python scripts/bench_cells.py --loop             also the plain loop of the same cell

A ratio is to the base, the nearest fused cell without options, at the same shape: the RNN of tanh, the LSTM or the
GRU. The norms of every state are taken at every timestep of every step. The sides take turns within a round; what is
printed is a median of CPU times over rounds. Task, clip and optimizer are those of bench_engine.py.

Shapes: T time, B batch, D hidden; the input has two columns.
"""

from __future__ import annotations

import argparse
import itertools
from functools import partial
from statistics import median
from typing import Any, NamedTuple

import torch
from bench_engine import SIDES, Ours, Trainer, adding

from seqablate.engine.cells import CELLS
from seqablate.engine.recurrence import Recurrence

BASES = {"rnn": "rnn_tanh", "lstm": "lstm", "gru": "gru"}
LIKE = {"mgu": "gru", "mingru": "gru", "minlstm": "lstm", "lru": "rnn_tanh", "lrnn": "rnn_tanh"}
OPTIONS: dict[str, dict[str, Any]] = {"norm=cell": {"layer_norm": True}} | {
    f"time_skip={k}": {"time_skip": k} for k in (2, 10)
}


class Side(NamedTuple):
    """A cell with options, and what runs it (None: the choice of the engine)."""

    cell: str
    options: tuple[str, ...] = ()
    backend: str | None = None

    @property
    def base(self) -> str:
        first = self.cell.split("_")[0]
        return BASES.get(first) or LIKE[first]

    def build(self, _model: str, width: int, D: int) -> Ours:
        options: dict[str, Any] = {}
        for name in self.options:
            options |= OPTIONS[name]
        return Ours(Recurrence(self.cell, width, D, **options), every=1, backend=self.backend)

    def __str__(self) -> str:
        return ",".join([self.cell, *self.options])


ALL = [Side(cell) for cell in CELLS if cell not in BASES.values()] + [
    Side(cell, (option,)) for cell in (*BASES.values(), "mgu") for option in OPTIONS
]


def milliseconds(sides: list[Side], shape: str, rounds: int) -> list[list[float]]:
    """CPU time of a step by side, round by round."""
    T, B, D = (int(size) for size in shape.split("/"))
    batches = [adding(T, B) for _ in range(8)]
    trainers = [trainer(side, D, batches) for side in sides]
    turns = []
    for one in trainers:
        one.seconds(2)  # kernels are compiled, or read from disk
        turns.append(max(2, round(0.5 / (one.seconds(3) / 3))))
    found = [
        [1000 * one.seconds(turn) / turn for one, turn in zip(trainers, turns, strict=True)] for _ in range(rounds)
    ]
    return [list(times) for times in zip(*found, strict=True)]


def trainer(side: Side, D: int, batches: list[Any]) -> Trainer:
    with_side = partial(Trainer, str(side), "", 2, D, itertools.cycle(batches))
    SIDES[str(side)] = side.build
    return with_side()


def compare(side: Side, options: argparse.Namespace) -> None:
    sides = [Side(side.base), side] + ([side._replace(backend="loop")] if options.loop else [])
    base, *others = milliseconds(sides, options.shape, options.rounds)
    columns = ""
    for times in others:
        ratio = median(mine / its for mine, its in zip(times, base, strict=True))
        columns += f" {median(times):8.2f} {ratio:6.2f}"
    print(f"{side!s:28} {side.base:9} {median(base):7.2f}{columns}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sides", nargs="*", metavar="CELL[,OPTION]", help="; ".join(map(str, ALL)))
    parser.add_argument("--shape", default="100/32/64", metavar="T/B/D")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--loop", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    sides = [Side(cell, tuple(names)) for cell, *names in (words.split(",") for words in options.sides)] or ALL
    print(f"torch {torch.__version__}, one thread, T/B/D {options.shape}, median of {options.rounds} rounds; ms a step")
    print(f"{'':28} {'base':9} {'':>7} {'':>8} {'ratio':>6}" + (f" {'loop':>8} {'ratio':>6}" if options.loop else ""))
    for side in sides:
        compare(side, options)


if __name__ == "__main__":
    main()
