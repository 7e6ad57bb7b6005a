#!/usr/bin/env python3
"""What one training step costs, against one compiled by jax.jit of the same work. CPU, one thread.

    python -m venv jax-environment && jax-environment/bin/pip install jax==0.10.2 optax==0.2.8
    python scripts/bench_step.py --jax jax-environment/bin/python
    python scripts/bench_step.py                                    without jax: our sides alone
    python scripts/bench_step.py --process --jax ...                whole processes: seqablate train, with all that it
                                                                    records, against a script that records nothing

Both sides train a recurrent net with a linear readout of the last step on the adding problem: squared error, gradients
clipped to a global norm of 1, Adam. The batches are drawn before the clock starts. Sides:

    every   a training step of seqablate with the norms of dL/dh (and dL/dc) of every timestep and sample
    never   the same without these norms
    jax     lax.scan over the cell, the input's share of the gates in one product before it, optax's clip and Adam, and
            the norms of dL/dh of every timestep and sample: a zero is added to each h_t, and its gradient is dL/dh_t

    floor   the products of the recurrence alone (forward, backward, weights' gradients) at the speed of a large matrix
            product of torch, measured in the same round

Times are CPU milliseconds a step. The sides take turns within a round, and what is printed is a median over rounds; the
first round is a warm-up. Of whole processes the time of 8,020 steps counts, less
that of 20. A ratio is ours / jax's: below 1 is quicker than jax. Shapes: T time, B batch, D hidden.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from statistics import median
from typing import Any

SHAPES = ("100/1/32", "50/32/32", "100/32/64", "200/32/128", "35/20/200", "1000/1/64", "28/128/128")
SETTINGS = ("task=adding", "clip=norm", "optim=adam", "device=cpu", "eval.size=250", "stop_when_solved=false")
SECONDS = 0.4  # of one measurement, about

JAX = """
import os, sys, time
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["JAX_PLATFORMS"] = "cpu"
import jax, jax.numpy as jnp, numpy as np, optax

def cell(name, w_hh, b_hh, state, a):
    h, c = state
    if name == "rnn":
        h = jnp.tanh(a + h @ w_hh + b_hh)
    elif name == "gru":
        (a_r, a_z, a_n), (u_r, u_z, u_n) = jnp.split(a, 3, -1), jnp.split(h @ w_hh + b_hh, 3, -1)
        r, z = jax.nn.sigmoid(a_r + u_r), jax.nn.sigmoid(a_z + u_z)
        h = (1 - z) * jnp.tanh(a_n + r * u_n) + z * h
    else:
        i, f, g, o = jnp.split(a + h @ w_hh + b_hh, 4, -1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
    return h, c

def build(name, T, B, D):
    gates = {"rnn": 1, "gru": 3, "lstm": 4}[name]
    keys = iter(jax.random.split(jax.random.PRNGKey(0), 6))
    draw = lambda *shape: jax.random.uniform(next(keys), shape, jnp.float32, -1, 1) / D**0.5
    w = dict(ih=draw(2, gates * D), hh=draw(D, gates * D), b=draw(gates * D), b_hh=draw(gates * D))
    w |= dict(out=draw(D, 1), b_out=draw(1))
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-3))

    def loss_of(w, zero, x, y):
        def step(state, given):
            a, zero_t = given
            h, c = cell(name, w["hh"], w["b_hh"], state, a)
            return (h + zero_t, c), None
        start = jnp.zeros((B, D)), jnp.zeros((B, D))
        (h, _), _ = jax.lax.scan(step, start, (x @ w["ih"] + w["b"], zero))
        return jnp.mean(((h @ w["out"] + w["b_out"])[:, 0] - y) ** 2)

    @jax.jit
    def step(w, memory, x, y):
        loss, (grads, at_h) = jax.value_and_grad(loss_of, (0, 1))(w, jnp.zeros((T, B, D)), x, y)
        updates, memory = optimizer.update(grads, memory)
        return optax.apply_updates(w, updates), memory, loss, jnp.linalg.norm(at_h, axis=-1), optax.global_norm(grads)

    return step, w, optimizer.init(w)

def batches(T, B, count):
    rng = np.random.default_rng(0)
    for _ in range(count):
        x, samples = np.zeros((T, B, 2), np.float32), np.arange(B)
        x[..., 0] = rng.random((T, B), dtype=np.float32)
        first, second = rng.integers(0, T // 2, B), rng.integers(T // 2, T, B)
        x[first, samples, 1] = x[second, samples, 1] = 1
        yield x, x[first, samples, 0] + x[second, samples, 0]

def measured(name, T, B, D):
    step, w, memory = build(name, T, B, D)
    drawn = list(batches(T, B, 4))
    def run(count):
        nonlocal w, memory
        start = time.process_time()
        for number in range(count):
            w, memory, loss, norms, size = step(w, memory, *drawn[number % 4])
        loss.block_until_ready()
        return time.process_time() - start
    return run

if len(sys.argv) > 1:  # a whole process: every batch is drawn when it is needed
    name, *sizes, count = sys.argv[1:]
    step, w, memory = build(name, *map(int, sizes))
    for x, y in batches(int(sizes[0]), int(sizes[1]), int(count)):
        w, memory, loss, norms, size = step(w, memory, x, y)
    print(float(loss))
    sys.exit()
made = {}
for line in sys.stdin:
    name, *sizes, count = line.split()
    key = name, *map(int, sizes)
    if key not in made:
        made[key] = measured(*key)
    print(made[key](int(count)), flush=True)
"""


class Jax:
    """The other side, in a process of its own environment, on the same core."""

    def __init__(self, python: str) -> None:
        self.process = subprocess.Popen([python, "-c", JAX], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, name: str, shape: str, count: int) -> float:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(name, *shape.split("/"), count, file=self.process.stdin, flush=True)
        return float(self.process.stdout.readline())


class Ours:
    """Training steps of a run of ours; its batches are drawn before."""

    def __init__(self, every: bool) -> None:
        self.every, self.made = every, dict[tuple[str, str], Callable[[int], float]]()

    def __call__(self, name: str, shape: str, count: int) -> float:
        key = name, shape
        if key not in self.made:
            self.made[key] = our_steps(name, shape, self.every)
        return self.made[key](count)


def our_steps(name: str, shape: str, every: bool) -> Callable[[int], float]:
    from seqablate.assemble import assemble, read_overrides
    from seqablate.training.stepper import stepper

    T, B, D = shape.split("/")
    words = [f"model={name}", f"model.hidden_size={D}", "task=adding", f"task.length={T}", f"batch_size={B}"]
    words += ["clip=norm", "optim=adam", "device=cpu"]
    parts = assemble(read_overrides(words))
    task, step = Drawn(parts.task), stepper(parts)

    def run(count: int) -> float:
        start = time.process_time()
        for number in range(count):
            step(number, task, None, every, False)
        return time.process_time() - start

    return run


GATES = {"rnn": 1, "gru": 3, "lstm": 4}


def floor_seconds(name: str, shape: str, count: int) -> float:
    """The time that the products of so many steps would take at the speed of a large one."""
    import torch

    T, B, D = map(int, shape.split("/"))
    a = torch.ones(1024, 1024)
    start = time.process_time()
    for _ in range(3):
        a @ a
    speed = 3 * 2 * 1024**3 / (time.process_time() - start)
    return count * 3 * 2 * T * B * GATES[name] * D * (D + 2) / speed


class Drawn:
    """A task with four training batches that are drawn already."""

    def __init__(self, task: Any) -> None:
        self.task, self.batches = task, [task.train_batch(number) for number in range(4)]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.task, name)

    def train_batch(self, step: int) -> Any:
        return self.batches[step % 4]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jax", metavar="PYTHON", help="a Python with jax and optax (see above)")
    parser.add_argument("--models", nargs="+", default=["rnn", "gru", "lstm"])
    parser.add_argument("--shapes", nargs="+", default=SHAPES, help="T/B/D")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--process", action="store_true", help="whole processes; needs --jax")
    options = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # children inherit it
    os.environ["OMP_NUM_THREADS"] = "1"
    if options.process:
        processes(options)
        return
    sides: dict[str, Any] = {"every": Ours(True), "never": Ours(False)}
    sides["floor"] = floor_seconds
    if options.jax:
        sides["jax"] = Jax(options.jax)
    print(
        f"{'T/B/D':12}{'model':6}" + "".join(f"{side:>9}" for side in sides) + "   every/jax  every/never  every/floor"
    )
    for shape in options.shapes:
        for model in options.models:
            counts = {side: steps_for(measure, model, shape) for side, measure in sides.items()}
            rounds = [
                {side: 1000 * measure(model, shape, counts[side]) / counts[side] for side, measure in sides.items()}
                for _ in range(options.rounds)
            ]
            ms = {side: median(found[side] for found in rounds) for side in sides}
            jax = median(found["every"] / found["jax"] for found in rounds) if options.jax else float("nan")
            never, floor = (median(found["every"] / found[side] for found in rounds) for side in ("never", "floor"))
            print(
                f"{shape:12}{model:6}"
                + "".join(f"{ms[s]:9.3f}" for s in sides)
                + f"{jax:12.2f}{never:13.2f}{floor:13.1f}",
                flush=True,
            )


def processes(options: argparse.Namespace) -> None:
    """Whole processes after their start, as CPU milliseconds a step."""
    print(f"{'T/B/D':12}{'model':6}{'ours':>9}{'jax':>9}   ours/jax, by round")
    for shape in options.shapes:
        T, B, D = shape.split("/")
        for model in options.models:
            words = [f"model={model}", f"model.hidden_size={D}", f"task.length={T}", f"batch_size={B}", *SETTINGS]
            ours = [sys.executable, "-m", "seqablate", "train", *words]
            jax = [options.jax, "-c", JAX, model, T, B, D]
            rounds = [
                (
                    ms_a_step(lambda n, start=ours: [*start, f"steps={n}", f"eval.every={n}"]),
                    ms_a_step(lambda n, start=jax: [*start, str(n)]),
                )
                for _ in range(options.rounds)
            ]
            a, b = map(median, zip(*rounds, strict=True))
            ratios = [one / other for one, other in rounds]
            by_round = " ".join(f"{ratio:.2f}" for ratio in ratios)
            print(f"{shape:12}{model:6}{a:9.3f}{b:9.3f}   {median(ratios):.2f}: {by_round}", flush=True)


def ms_a_step(command: Callable[[int], list[str]], few: int = 20, many: int = 8020) -> float:
    return 1000 * (cpu_seconds(command(many)) - cpu_seconds(command(few))) / (many - few)


def cpu_seconds(command: list[str]) -> float:
    """CPU seconds of one process, in an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=folder)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def steps_for(measure: Callable[[str, str, int], float], model: str, shape: str) -> int:
    """So many steps as take about SECONDS; the first of them compile."""
    measure(model, shape, 5)
    return max(5, round(20 * SECONDS / measure(model, shape, 20)))


if __name__ == "__main__":
    main()
