#!/usr/bin/env python3
"""What training with the engine costs, against torch's own modules without any gradient logging. CPU, one thread.

    python scripts/bench_engine.py steps      one training step, with the norms of every timestep or without
    python scripts/bench_engine.py memory     peak memory of one training step over a long sequence
    python scripts/bench_engine.py subnormal  a training step whose gradient vanishes, against one whose does not

A ratio is ours / torch's: below 1 is quicker than torch. Machines drift by more than the differences measured here, so
the sides take turns within a round, and what is printed is a median over rounds. Times are CPU times unless called
wall. Everywhere: the loss follows the last timestep, gradients are clipped to norm 1, Adam makes the step.

The sides: torch (nn.RNN, GRU, LSTM, nothing logged); the engine with the norms of h and c at no step (never), at each
tenth, at every step; torch's kernels with those norms at every step (channels); a loop of torch's cells with
retain_grad() on every state (loop).

Shapes: T time, B batch, I input, D hidden.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from multiprocessing import get_context
from pathlib import Path
from statistics import mean, median
from typing import Any, NamedTuple
from unittest.mock import patch

import torch
from torch import Tensor, nn

from seqablate.engine.ports import Observer
from seqablate.engine.recurrence import Recurrence

SHAPES = ("100/32/64/2", "100/20/50/2", "200/32/128/2", "750/32/128/2", "35/20/200/200")  # T/B/D/I


class Model(NamedTuple):
    name: str  # of the engine's cell
    module: type[nn.Module]
    cell: type[nn.Module]


MODELS = {
    "rnn": Model("rnn_tanh", nn.RNN, nn.RNNCell),
    "gru": Model("gru", nn.GRU, nn.GRUCell),
    "lstm": Model("lstm", nn.LSTM, nn.LSTMCell),
}
ADAM: dict[str, dict[str, Any]] = {"fused": {"fused": True}, "default": {}}
MALLOC = {"MALLOC_MMAP_THRESHOLD_": "4000000000", "MALLOC_TRIM_THRESHOLD_": "4000000000"}

# --- one training step ------------------------------------------------------------------------------------------------


class Torch(nn.Module):
    """A side: x [T, B, I] -> h_n [B, D]. ``log()`` follows the backward pass; the norms [T] of each state are kept."""

    def __init__(self, core: Any) -> None:
        super().__init__()
        self.core, self.kept = core, deque[list[Tensor]](maxlen=100)

    def forward(self, x: Tensor) -> Tensor:
        final = self.core(x)[1]
        return (final[0] if isinstance(final, tuple) else final)[0]

    def log(self) -> None:
        pass


class Ours(Torch):
    def __init__(self, core: Recurrence, every: int, backend: str | None = None) -> None:
        super().__init__(core)
        core.backend, self.every, self.count = backend, every, itertools.count()
        self.observer = Observer(lambda found: self.kept.append([n.mean(1) for n in found.norms("total").values()]))

    def forward(self, x: Tensor) -> Tensor:
        due = self.every > 0 and next(self.count) % self.every == 0
        return self.core(x, None, self.observer if due else None)[1][0]


class Loop(Torch):
    def forward(self, x: Tensor) -> Tensor:
        state, self.states = None, []
        for x_BI in x:
            state = self.core(x_BI, state)
            self.states.append(state if isinstance(state, tuple) else (state,))
            for tensor in self.states[-1]:
                tensor.retain_grad()
        return self.states[-1][0]

    def log(self) -> None:
        vectors = [torch.stack([tensor.grad for tensor in state]) for state in zip(*self.states, strict=True)]
        self.kept.append([torch.linalg.vector_norm(v, dim=-1, dtype=torch.float64).mean(1) for v in vectors])


SIDES: dict[str, Callable[[str, int, int], Torch]] = {
    "torch": lambda model, width, D: Torch(MODELS[model].module(width, D)),
    "never": lambda model, width, D: Ours(Recurrence(MODELS[model].name, width, D), every=0),
    "tenth": lambda model, width, D: Ours(Recurrence(MODELS[model].name, width, D), every=10),
    "every": lambda model, width, D: Ours(Recurrence(MODELS[model].name, width, D), every=1),
    "channels": lambda model, width, D: Ours(Recurrence(MODELS[model].name, width, D), every=1, backend="torch"),
    "loop": lambda model, width, D: Loop(MODELS[model].cell(width, D)),
}


class Trainer:
    """A side with a readout, an optimizer and data."""

    def __init__(self, side: str, model: str, width: int, D: int, batches: Iterable[Any], adam: str = "fused") -> None:
        torch.manual_seed(0)  # the same weights on every side: all draw them in torch's order
        self.side, self.readout, self.batches = SIDES[side](model, width, D), nn.Linear(D, 1), iter(batches)
        self.parameters = [*self.side.parameters(), *self.readout.parameters()]
        self.optimizer = torch.optim.Adam(self.parameters, lr=1e-3, **ADAM[adam])

    def step(self, clock: Callable[[str], AbstractContextManager[Any]] = nullcontext) -> Tensor:
        x, y = next(self.batches)
        x.grad = None
        with clock("optimizer"):
            self.optimizer.zero_grad(set_to_none=True)
        with clock("forward"):
            loss = nn.functional.mse_loss(self.readout(self.side(x))[:, 0], y)
        with clock("backward"):
            loss.backward()
            self.side.log()
        with clock("clip"):
            nn.utils.clip_grad_norm_(self.parameters, 1.0)
        with clock("optimizer"):
            self.optimizer.step()
        return loss.detach()

    def seconds(self, steps: int, now: Callable[[], float] = time.process_time) -> float:
        start = now()
        for _ in range(steps):
            self.step()
        return now() - start


def adding(T: int, B: int, width: int = 2) -> tuple[Tensor, Tensor]:
    """A batch of the adding problem; a wider input is noise that wants its gradient, as if layers stood below."""
    if width > 2:
        return torch.randn(T, B, width, requires_grad=True), torch.rand(B)
    x_TBI = torch.stack([torch.rand(T, B), torch.zeros(T, B)], dim=-1)
    for low, high in ((0, T // 2), (T // 2, T)):
        x_TBI[torch.randint(low, high, (B,)), torch.arange(B), 1] = 1.0
    return x_TBI, (x_TBI[..., 0] * x_TBI[..., 1]).sum(0)


def in_fresh_process(function: Callable[..., Any], *args: Any, **environment: str) -> Any:
    with patch.dict(os.environ, environment), ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *args).result()


# --- steps ------------------------------------------------------------------------------------------------------------


def steps(options: argparse.Namespace) -> None:
    """One training step: norms of every timestep never, at every tenth and at every step, against torch."""
    for model in options.models:
        with tempfile.TemporaryDirectory() as folder:
            cold, cached = (in_fresh_process(first_step, model, NUMBA_CACHE_DIR=folder) for _ in range(2))
        print(f"{model:4} first step of a process, wall: {cold:.2f} s, compiling; {cached:.2f} s with kernels on disk")
    logged = ["never", "tenth", "every"]
    head(["torch", *logged], options.rounds, options.adam)
    worst = dict.fromkeys(logged, (0.0, ""))
    for shape in options.shapes:
        for model, ratios in compare(["torch", *logged], shape, options.rounds, options).items():
            worst |= {name: max(worst[name], (ratios[name], f"{model} {shape}")) for name in logged}
    print("\n".join(f"worst, {name}: {value:.3f} at {where}" for name, (value, where) in worst.items()))
    if options.conventional:
        head(["torch", "every", "loop"], 2, options.adam)
        compare(["torch", "every", "loop"], SHAPES[0], 2, options)


def first_step(model: str) -> float:
    """Wall seconds that the first training step takes longer than the second: import of numba, and kernels."""
    torch.set_num_threads(1)
    batches = [adding(10, 8)] * 4
    Trainer("torch", model, 2, 64, batches).step()  # what torch itself does only once
    trainer = Trainer("every", model, 2, 64, batches)
    return trainer.seconds(1, time.perf_counter) - trainer.seconds(1, time.perf_counter)


def head(names: list[str], rounds: int, adam: str) -> None:
    print(f"\nms a step and ratios to torch; Adam {adam}, median of {rounds} rounds")
    print(f"{'T/B/D/I':15} {'model':5} {names[0]:>8}" + "".join(f" {name:>8} {'ratio':>6}" for name in names[1:]))


def compare(names: list[str], shape: str, rounds: int, options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Print a line for each model; the ratios to torch, by model and side."""
    found = {}
    for model in options.models:
        results = take_turns(names, model, [int(size) for size in shape.split("/")], rounds, options.adam)
        ms = {name: 1000 * median(spent[name] for spent in results) for name in names}
        found[model] = ratios = {name: median(spent[name] / spent["torch"] for spent in results) for name in names}
        columns = "".join(f" {ms[name]:8.2f} {ratios[name]:6.3f}" for name in names[1:])
        print(f"{shape:15} {model:5} {ms['torch']:8.2f}{columns}", flush=True)
    return found


def take_turns(names: list[str], model: str, sizes: list[int], rounds: int, adam: str) -> list[dict[str, float]]:
    """CPU seconds a step by side, round by round; all make the same steps, in turns of half a second."""
    T, B, D, width = sizes
    batches = [adding(T, B, width) for _ in range(8)]
    sides = {name: Trainer(name, model, width, D, itertools.cycle(batches), adam) for name in names}
    losses = torch.stack([trainer.step() for trainer in sides.values()])
    torch.testing.assert_close(losses, losses[:1].expand_as(losses), rtol=1e-4, atol=0)  # they do the same work
    pace = mean(trainer.seconds(10) / 10 for trainer in sides.values())
    turn = next(n for n in (500, 200, 100, 50, 20, 10, 5, 2, 1) if n * pace <= 0.5 or n == 1)
    total = max(10, turn)  # so that each tenth step comes as often as it should
    results = []
    for number in range(rounds):
        spent = dict.fromkeys(names, 0.0)
        first = number % len(names)
        for name in (names[first:] + names[:first]) * (total // turn):
            spent[name] += sides[name].seconds(turn) / total
        results.append(spent)
    return results


# --- subnormal --------------------------------------------------------------------------------------------------------


def subnormal(options: argparse.Namespace) -> None:
    """A training step whose gradient vanishes below the range of float32, against one whose gradient does not."""
    T, B, D = 200, 32, 128
    print(f"T/B/D {T}/{B}/{D}; CPU ms a step, median of {options.rounds} rounds; kept: subnormals are not flushed")
    print("model  reaches lag 0  vanished  ratio    kept  ratio    norm of dL/dh at lag 199")
    for model in options.models:
        batches = itertools.cycle([adding(T, B)])
        whole, faded, kept = (Trainer("every", model, 2, D, batches) for _ in range(3))
        for trainer, scale in ((whole, 1.0), (faded, 0.3), (kept, 0.3)):
            _rescale(trainer.side.core, scale)
            trainer.optimizer.param_groups[0]["lr"] = 0.0  # the gradient is to stay what it is
            trainer.step()  # kernels are compiled, or read from disk
        spent = []
        for _ in range(options.rounds):
            a, b = whole.seconds(5) / 5, faded.seconds(5) / 5
            with patch("seqablate.engine.backends.compiled.flushed", nullcontext):
                spent.append((a, b, kept.seconds(5) / 5))
        a, b, c = (1000 * median(column) for column in zip(*spent, strict=True))
        far = [float(trainer.side.kept[-1][0][0]) for trainer in (whole, faded)]
        print(f"{model:5} {a:14.2f} {b:9.2f} {b / a:6.2f} {c:7.2f} {c / a:6.2f}    {far[0]:.0e}, {far[1]:.0e}")


@torch.no_grad()
def _rescale(core: Recurrence, scale: float) -> None:
    """Orthogonal recurrent matrices of this scale; the gates of a GRU and an LSTM let the state go at 0.3."""
    for block in core.weight_hh.split(core.hidden_size):
        nn.init.orthogonal_(block).mul_(scale)
    gates = core.bias_ih.view(len(core.cell.gates), -1)
    for gate, name in zip(gates, core.cell.gates, strict=True):
        gate.fill_((4.0 if scale == 1.0 else -2.0) if name in ("f", "z") else 0.0)


# --- memory -----------------------------------------------------------------------------------------------------------


def memory(options: argparse.Namespace) -> None:
    """Peak resident memory of one training step over a long sequence, less what the process had before."""
    T, B, D = 10000, 8, 64
    names = ["torch", "never", "every", "channels", "loop"]
    print(f"T/B/D {T}/{B}/{D}; in units of T*B*D floats ({4 * T * B * D / 1e6:.1f} MB)")
    print("model" + "".join(f" {name:>8}" for name in names))
    for model in options.models:
        peaks = [in_fresh_process(peak_bytes, name, model, T, B, D) / (4 * T * B * D) for name in names]
        print(f"{model:5}" + "".join(f" {peak:8.2f}" for peak in peaks), flush=True)


def peak_bytes(side: str, model: str, T: int, B: int, D: int) -> int:
    torch.set_num_threads(1)
    Trainer(side, model, 2, D, [adding(10, B)]).step()
    trainer = Trainer(side, model, 2, D, [adding(T, B)])
    # What getrusage() says begins with the parent's peak and that of the imports: the kernel is told to start afresh.
    Path("/proc/self/clear_refs").write_text("5")
    before = high_water()
    trainer.step()
    return high_water() - before


def high_water() -> int:
    status = dict(row.split(":", 1) for row in Path("/proc/self/status").read_text().splitlines())
    return 1024 * int(status["VmHWM"].split()[0])


# --- command line -----------------------------------------------------------------------------------------------------

OPTIONS: dict[str, dict[str, Any]] = {
    "--models": {"nargs": "+", "default": list(MODELS), "choices": list(MODELS)},
    "--rounds": {"type": int, "default": 5},
    "--steps": {"type": int, "default": 2000, "help": "of each run"},
    "--adam": {"default": "fused", "choices": list(ADAM), "help": "torch's implementation; the run's is its own"},
    "--shapes": {"nargs": "+", "default": SHAPES, "choices": SHAPES, "metavar": "T/B/D/I"},
    "--conventional": {"action": "store_true", "help": "also a loop of cells with retain_grad, at the first shape"},
    "--malloc": {"action": "store_true", "help": "let glibc keep freed memory: no page faults on any side"},
}
COMMANDS = {
    steps: ["--models", "--rounds", "--adam", "--shapes", "--conventional", "--malloc"],
    memory: ["--models"],
    subnormal: ["--models", "--rounds"],
}


def main(description: str, work_and_options: dict[Callable[[argparse.Namespace], None], list[str]]) -> None:
    """Run what the first word of the command line names."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="what")
    for work, names in work_and_options.items():
        command = commands.add_parser(work.__name__, help=work.__doc__, description=work.__doc__)
        command.set_defaults(work=work)
        for name in names:
            command.add_argument(name, **OPTIONS[name])
    options = parser.parse_args()
    if getattr(options, "malloc", False) and not MALLOC.items() <= os.environ.items():
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | MALLOC)  # read when a process begins
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, one thread")
    options.work(options)


if __name__ == "__main__":
    main(__doc__, COMMANDS)
