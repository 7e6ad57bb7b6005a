#!/usr/bin/env python3
"""What whole runs cost, against short scripts of the same work without any gradient logging. CPU, one thread.

    python scripts/bench_run.py process    a whole process: `seqablate train` against a short script of the same work
    python scripts/bench_run.py profile    where the time of a step goes in a real run

A ratio is ours / torch's: below 1 is quicker than torch. The sides take turns, and what is printed is a median over
rounds. Times are CPU times unless called wall. The first round is a warm-up.
"""

from __future__ import annotations

import argparse
import functools
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from statistics import median
from typing import Any
from unittest.mock import patch

from bench_engine import Trainer, main
from torch import Tensor

from seqablate.assemble import assemble, read_overrides

# --- process ----------------------------------------------------------------------------------------------------------

PLAIN = """
import sys
import numpy as np
import torch
from torch import nn

cell, fused, T, B, D, steps = sys.argv[1], sys.argv[2] == "fused", *map(int, sys.argv[3:])
torch.set_num_threads(1)
torch.manual_seed(0)
rng = np.random.default_rng(0)
core, readout = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[cell](2, D), nn.Linear(D, 1)
parameters = [*core.parameters(), *readout.parameters()]
optimizer = torch.optim.Adam(parameters, lr=0.01, fused=fused or None)

def loss_of(count):
    x, samples = np.zeros((T, count, 2), np.float32), np.arange(count)
    x[..., 0] = rng.random((T, count), dtype=np.float32)
    first, second = rng.integers(0, T // 2, count), rng.integers(T // 2, T, count)
    x[first, samples, 1] = x[second, samples, 1] = 1
    y = torch.from_numpy(x[first, samples, 0] + x[second, samples, 0])
    final = core(torch.from_numpy(x))[1]
    return nn.functional.mse_loss(readout((final[0] if cell == "lstm" else final)[0])[:, 0], y)

@torch.no_grad()
def evaluate(what):
    print(what, sum(loss_of(250).item() for _ in range(8)) / 8)

evaluate("start")
for step in range(steps):
    optimizer.zero_grad(set_to_none=True)
    loss = loss_of(B)
    loss.backward()
    nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    if step % 100 == 0:
        print(step, loss.item())
evaluate("end")
evaluate("test")
"""


def process(options: argparse.Namespace) -> None:
    """A whole process: seqablate train, with all it records and its checkpoints, against a short script without."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # its children inherit both
    os.environ["OMP_NUM_THREADS"] = "1"
    print(f"adding 100/32/64, {options.steps} steps on one core, Adam {options.adam} in the script; seconds, ratios")
    print("model  ours wall    cpu   torch wall    cpu   ratio wall    cpu   cpu, by round")
    for model in options.models:
        measured = []
        for number in range(options.rounds + 1):
            count = options.steps if number else 20  # the first is for kernels to be compiled and files to be read
            ours = [sys.executable, "-m", "seqablate", "train", *overrides(model, count, eval_size=2000)]
            script = [sys.executable, "-c", PLAIN, model, options.adam, "100", "32", "64", str(count)]
            measured.append([*process_seconds(ours), *process_seconds(script)])
        a, b, c, d = map(median, zip(*measured[1:], strict=True))
        by_round = " ".join(f"{row[1] / row[3]:.2f}" for row in measured[1:])
        print(f"{model:5} {a:10.2f} {b:6.2f} {c:12.2f} {d:6.2f} {a / c:12.3f} {b / d:6.3f}   {by_round}", flush=True)


def overrides(model: str, count: int, eval_size: int) -> list[str]:
    words = [f"model={model}", "task=adding", "task.length=100", "batch_size=32", "model.hidden_size=64", "device=cpu"]
    return [*words, f"steps={count}", f"eval.every={count}", f"eval.size={eval_size}", "stop_when_solved=false"]


def process_seconds(command: list[str]) -> tuple[float, float]:
    """Wall and CPU seconds of one process, in an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=folder)
        wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


# --- profile ----------------------------------------------------------------------------------------------------------

STEP, REST, EVALUATION = "measuring, learning rate", "loop, memory freed", "evaluation"
BOTH = "forward and backward"  # of ours, where they are one call
LABELS = ["batch generation", "to tensors", "forward", "backward", BOTH, "clip", "optimizer", STEP]
LABELS += ["signals", "record", "events", "checkpoints", REST]


class Clock:
    """CPU seconds by label, within REST; what an inner label takes is not its outer one's. Evaluations do not count."""

    def __init__(self) -> None:
        self.seconds, self.stack, self.since = defaultdict[str, float](float), list[str](), 0.0

    @contextmanager
    def __call__(self, label: str) -> Iterator[None]:
        if EVALUATION in self.stack or not (self.stack or label == REST):
            yield
            return
        self._credit()
        self.stack.append(label)
        try:
            yield
        finally:
            self._credit()
            self.stack.pop()

    def _credit(self) -> None:
        now = time.process_time()
        if self.stack:
            self.seconds[self.stack[-1]] += now - self.since
        self.since = now

    def ms(self, steps: int) -> list[float]:
        return [1000 * self.seconds[label] / steps for label in LABELS]

    def around(self, label: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def timed(*args: Any, **named: Any) -> Any:
            with self(label):
                return function(*args, **named)

        return timed


def profile(options: argparse.Namespace) -> None:
    """Where a step's time goes: a run with all that it records, norms at every tenth step, and torch in a bare loop."""
    for model in options.models:
        counts = [20] + [options.steps] * options.rounds  # the first is a warm-up
        pairs = [(our_profile(model, count), plain_profile(model, count, options.adam)) for count in counts][1:]
        sides = [[median(ms) for ms in zip(*side, strict=True)] for side in zip(*pairs, strict=True)]
        print(f"\n{model + ', 100/32/64':24} {'ours, ms':>9} {'share':>6} {'torch, ms':>9} {'share':>6}")
        for label, *values in zip([*LABELS, "sum"], *([*ms, sum(ms)] for ms in sides), strict=True):
            shares = (f" {value:9.3f} {value / sum(ms):6.1%}" for value, ms in zip(values, sides, strict=True))
            print(f"{label:24}" + "".join(shares), flush=True)


def our_profile(model: str, count: int) -> list[float]:
    """Milliseconds a step by label, from clocks around the functions that a run is made of."""
    from seqablate.record.events.view import EventView
    from seqablate.record.writer import RecordWriter
    from seqablate.report.plain import SilentReporter
    from seqablate.training import loop, run, session
    from seqablate.training.compiled import step
    from seqablate.training.compiled.net import Net

    clock = Clock()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as patches:
        parts = assemble(read_overrides([*overrides(model, count, eval_size=64), f"output_dir={folder}"]))
        places: list[tuple[str, Any, list[str]]] = [
            (REST, session, ["run_loop"]),
            (STEP, step.CompiledStep, ["__call__"]),
            ("batch generation", type(parts.task), ["train_batch"]),
            (BOTH, Net, ["gradients"]),
            ("signals", loop, ["read_step"]),
            ("record", RecordWriter, ["append_many"]),
            ("events", EventView, ["add"]),
            ("checkpoints", session, ["save_checkpoint"]),
            (EVALUATION, loop, ["evaluate", "look_at", "sample_text", "after_last_step"]),
        ]
        for label, owner, names in places:
            for name in names:
                patches.enter_context(patch.object(owner, name, clock.around(label, getattr(owner, name))))
        for label, name in (("clip", "_clip"), ("optimizer", "make_update")):  # these make what a step calls
            make = getattr(step, name)
            patches.enter_context(patch.object(step, name, lambda *a, f=make, w=label: clock.around(w, f(*a))))
        run.start_run(parts, SilentReporter(), [])
    return clock.ms(count)


def plain_profile(model: str, count: int, adam: str) -> list[float]:
    """The same of torch's module in a bare loop, on the same data."""
    clock, parts = Clock(), assemble(read_overrides(overrides(model, count, eval_size=64)))

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        for number in range(count):
            with clock("batch generation"):
                arrays = parts.task.train_batch(number)
            with clock("to tensors"):
                batch = arrays.tensors(parts.device, parts.dtype)
            yield batch.x, batch.y

    trainer = Trainer("torch", model, 2, 64, batches(), adam)
    with clock(REST):
        for _ in range(count):
            trainer.step(clock)
    return clock.ms(count)


COMMANDS = {
    process: ["--models", "--rounds", "--adam", "--steps"],
    profile: ["--models", "--rounds", "--adam", "--steps"],
}

if __name__ == "__main__":
    main(__doc__, COMMANDS)
