#!/usr/bin/env python3
"""Does an LSTM solve the adding problem within a budget in which a vanilla RNN does not?

Each arm's learning rate is chosen from the same grid by the share of solved runs (then by the mean final error) on
tuning seeds; then the arm is run on other seeds with that rate. A run counts as solved when its last evaluation meets
the criterion AND the held-out test agrees; a diverged run counts as not solved.

    python scripts/claim_lstm_remembers.py --output outputs/claim
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

GRID = (0.01, 0.003, 0.001)
FIRST_TUNING_SEED = 100


def train_one(job: tuple[str, float, int, str, list[str]]) -> dict[str, Any]:
    import seqablate

    model, lr, seed, folder, more = job
    run = seqablate.train(
        [
            f"model={model}",
            f"optim.lr={lr}",
            f"seed={seed}",
            f"name={model}-lr{lr}-s{seed}",
            f"output_dir={folder}",
            *more,
        ]
    )
    goal = run.info.metric.goal
    solved = run.status == "done" and run.info.solved_at is not None and run.info.test_value < goal
    decay = {fit.state: fit.factor for fit in run.info.decay}
    error = float("inf") if run.info.test is None else run.info.test_value
    return {"lr": lr, "seed": seed, "solved": solved, "error": error, "at": run.info.solved_at, "decay": decay}


def wilson(successes: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """95 % interval of a success rate (Wilson 1927)."""
    centre = (successes + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * (successes * (n - successes) / n + z * z / 4) ** 0.5
    return max(0.0, centre - half), min(1.0, centre + half)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("outputs/claim-lstm-remembers"))
    parser.add_argument("--models", nargs="+", default=["lstm", "rnn"])
    parser.add_argument("--rates", nargs="+", type=float, default=GRID, help="learning rates to choose from")
    parser.add_argument("--tuning-seeds", type=int, default=3, help="runs with each rate")
    parser.add_argument("--seeds", type=int, default=10, help="runs with the chosen rate")
    parser.add_argument("--jobs", type=int, default=2, help="processes, one thread each")
    parser.add_argument("overrides", nargs="*", help="further overrides for every run, such as task.length=200")
    arguments = parser.parse_args()
    folder, grid = str(arguments.output), arguments.rates
    tuning_seeds = range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + arguments.tuning_seeds)

    def jobs(model: str, rates: Sequence[float], seeds: range) -> list[tuple[str, float, int, str, list[str]]]:
        return [(model, lr, seed, folder, arguments.overrides) for lr in rates for seed in seeds]

    with ProcessPoolExecutor(arguments.jobs, mp_context=get_context("spawn")) as pool:
        for model in arguments.models:
            tuning = list(pool.map(train_one, jobs(model, grid, tuning_seeds)))
            arms = {lr: [r for r in tuning if r["lr"] == lr] for lr in grid}
            chosen = min(grid, key=lambda lr: (-sum(r["solved"] for r in arms[lr]), sum(r["error"] for r in arms[lr])))
            for lr, runs in arms.items():
                errors = ", ".join(f"{r['error']:.4f}" for r in runs)
                print(f"{model} tuning lr {lr}: {sum(r['solved'] for r in runs)}/{len(runs)} solved, test mse {errors}")
            runs = list(pool.map(train_one, jobs(model, (chosen,), range(arguments.seeds))))
            solved = sum(r["solved"] for r in runs)
            low, high = wilson(solved, len(runs))
            print(f"{model} lr {chosen}: {solved} of {len(runs)} solved (95 % interval {low:.2f} to {high:.2f})")
            errors = ", ".join(f"{r['error']:.4f}" for r in runs)
            print(f"  test mse {errors}")
            print(f"  solved at {', '.join(str(r['at']) for r in runs)}")
            for state in runs[0]["decay"]:
                factors = [r["decay"][state] for r in runs if state in r["decay"]]
                print(f"  decay per step of dL/d{state}, median: {statistics.median(factors):.3f}", flush=True)


if __name__ == "__main__":
    main()
