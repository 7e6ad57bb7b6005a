#!/usr/bin/env python3
"""Do skips let a 50-layer perceptron learn where a plain one fails, and was it the gradient?

model=mlp on task=digits with a fixed number of updates. A plain net of 5 layers has to learn; of the 50-layer nets, a
plain one, one with residual and one with highway connections start from the same initial values (torch's own). Two
more plain nets of 50 layers start from others: He's, under which the gradient does not vanish, and orthogonal ones with
tanh. Last, a control that cannot be learned: the residual net on shuffled labels.

Each arm's learning rate is chosen from the same grid by mean accuracy on evaluation data, over tuning seeds; then the
arm is run with that rate on other seeds. A run has learned when its accuracy on the held-out test is
0.8 or more (chance 0.1). The layer profile's ratio ||dJ/dh_first|| / ||dJ/dh_last|| says what reaches the first layer.

    python scripts/claim_skips_help_depth.py --output outputs/claim-depth
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

ARMS = {
    "plain-5": "model.depth=5",
    "plain-50": "model.depth=50",
    "residual-50": "model.depth=50 model.skip=residual",
    "highway-50": "model.depth=50 model.skip=highway",
    "plain-50-he": "model.depth=50 model.init=he",
    "plain-50-orthogonal-tanh": "model.depth=50 model.init=orthogonal model.nonlinearity=tanh",
}
CONTROL = "residual-50-shuffled"
LEARNED = 0.8
GRID = (0.01, 0.003, 0.001, 0.0003)
FIRST_TUNING_SEED = 100


@dataclass(frozen=True)
class Plan:
    """How much is tried."""

    steps: int
    grid: Sequence[float]
    tuning_seeds: range
    seeds: range


def read_plan(arguments: argparse.Namespace) -> Plan:
    """What the command line asks for; tuning has seeds of its own."""
    tuning_seeds = range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + arguments.tuning_seeds)
    return Plan(arguments.steps, arguments.rates, tuning_seeds, range(arguments.seeds))


def train_one(job: tuple[str, list[str]]) -> dict[str, Any]:
    import seqablate

    name, words = job
    run = seqablate.train(["model=mlp", "task=digits", "probe.every=100", "checkpoint.every=0", f"name={name}", *words])
    info, ratios = run.info, ratio_by_step(run.signals)
    return {
        "tuning": info.final_value if run.status == "done" else 0.0,
        "test": info.test_value if run.status == "done" else 0.0,
        "start": ratios[0],
        "end": ratios[-1],
    }


def ratio_by_step(signals: Any) -> list[float]:
    """Gradient norm at the first layer over that at the last, step by step."""
    layers = signals[signals.quantity == "layer"]
    table = layers.pivot(index="step", columns="index", values="value").sort_index()
    return list(table[table.columns.min()] / table[table.columns.max()])


def run_arm(pool: ProcessPoolExecutor, plan: Plan, name: str, words: str, folder: Path) -> tuple[float, list[Any]]:
    """The learning rate that tuning chose, and the runs with it on fresh seeds."""
    tuning = {lr: train(pool, plan, name, words, lr, plan.tuning_seeds, folder) for lr in plan.grid}
    scores = {lr: statistics.mean(run["tuning"] for run in runs) for lr, runs in tuning.items()}
    print(f"{name}: tuning {', '.join(f'lr {lr:g} {score:.2f}' for lr, score in scores.items())}", flush=True)
    chosen = max(plan.grid, key=lambda lr: scores[lr])
    return chosen, train(pool, plan, name, words, chosen, plan.seeds, folder)


def train(
    pool: ProcessPoolExecutor, plan: Plan, name: str, words: str, lr: float, seeds: Sequence[int], folder: Path
) -> list[Any]:
    """One run per seed."""
    common = [*words.split(), f"steps={plan.steps}", f"optim.lr={lr}", f"output_dir={folder}"]
    return list(pool.map(train_one, [(f"{name}-lr{lr}-s{seed}", [*common, f"seed={seed}"]) for seed in seeds]))


def report(name: str, lr: float, runs: list[Any]) -> int:
    """Print one arm; how many of its runs have learned."""
    learned = sum(run["test"] >= LEARNED for run in runs)
    accuracies = " ".join(f"{run['test']:.2f}" for run in runs)
    start, end = (statistics.median(run[at] for run in runs) for at in ("start", "end"))
    gradient = "vanishes" if start < 1e-3 else "explodes" if start > 1e3 else "arrives"
    print(f"{name:24} {lr:<7g} {learned}/{len(runs)}  {accuracies:25} {start:<8.1e} {gradient:9} {end:.1e}", flush=True)
    return learned


def lowest_difference(n: int, z: float = 1.96) -> float:
    """Lower end of the 95 % interval of n of n less 0 of n (Newcombe 1998, method 10, from Wilson's intervals)."""
    return 1 - (2**0.5) * z * z / (n + z * z)


def verdict(learned: dict[str, int], seeds: int) -> str:
    """One word, by the criterion of this file's first lines."""
    if learned["plain-5"] < seeds or learned[CONTROL]:
        return "INCONCLUSIVE: the shallow net did not learn in every run, or the control did"
    if learned["plain-50"] == 0 and learned["residual-50"] == learned["highway-50"] == seeds:
        low = lowest_difference(seeds)
        return (
            f"SUPPORTED: both skips learn in {seeds} of {seeds} runs, the plain net in none (difference {low:.2f} to 1)"
        )
    if learned["plain-50"] >= max(learned["residual-50"], learned["highway-50"]):
        return "CONTRADICTED: the plain net learns as often as the better of the two skips"
    return "INCONCLUSIVE: neither all against none, nor no difference"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("outputs/claim-skips-help-depth"))
    parser.add_argument("--jobs", type=int, default=1, help="processes, one thread each")
    parser.add_argument("--steps", type=int, default=400, help="updates of each run")
    parser.add_argument("--rates", nargs="+", type=float, default=GRID, help="learning rates to choose from")
    parser.add_argument("--tuning-seeds", type=int, default=2, help="runs with each rate")
    parser.add_argument("--seeds", type=int, default=5, help="runs with the chosen rate")
    arguments = parser.parse_args()
    plan, found = read_plan(arguments), {}
    with ProcessPoolExecutor(arguments.jobs, mp_context=get_context("spawn")) as pool:
        for name, words in ARMS.items():
            found[name] = run_arm(pool, plan, name, words, arguments.output)
        lr = found["residual-50"][0]
        words = ARMS["residual-50"] + " task.shuffle_labels=true"
        found[CONTROL] = (lr, train(pool, plan, CONTROL, words, lr, plan.seeds, arguments.output))
    print(
        f"\nafter {plan.steps} updates; learned: test accuracy of {LEARNED} or more; last columns: the gradient at the"
    )
    print("first layer over that at the last, median over the runs, at the start and at the end")
    print(f"{'arm':24} lr      learned, test accuracy         start              end")
    learned = {name: report(name, lr, runs) for name, (lr, runs) in found.items()}
    print(verdict(learned, len(plan.seeds)))


if __name__ == "__main__":
    main()
