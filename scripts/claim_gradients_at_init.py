#!/usr/bin/env python3
"""Does a gradient shrink with the distance from the loss, before anything has been learned?

One backward pass of the mean squared error on one batch of the adding problem, for many seeds of data and initial
values. The norm at a timestep is the Frobenius norm over the batch of dL/dh_t, of an LSTM dL/dc_t; an arm's factor per
timestep is (norm at lag 50 / norm at lag 10)^(1/40), where lag 0 is the last timestep. Printed are the median over
seeds with its 95 % interval (order statistics: whatever the distribution), and the range in which 95 of 100 medians of
5 seeds would lie. "before" is what such a median of 5 seeds was in plain torch, to three digits: "agree" when it lies
in the interval, "5 seeds" when only in that range, so that chance explains it, else "differ". The Gaussian and the
forget-bias arms seem to have had torch's input weights and no other biases then: torch's biases lower the factor.

    python scripts/claim_gradients_at_init.py --seeds 60 --out outputs/gradients-at-init.json
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

NEAR, FAR = 10, 50  # lags
FIVE_SEEDS = 0.1466  # quantile of Beta(3, 3) at .025: where medians of five begin and (at 1 -) end


class Arm(NamedTuple):
    """What is measured, and the factor that 5 seeds of plain torch gave; None: not measured then."""

    name: str
    overrides: str
    before: float | None = None


ARMS = (
    Arm("tanh, torch", "model=rnn model.init=torch", 0.595),
    Arm("tanh, orthogonal", "model=rnn", 0.939),
    Arm("tanh, Gaussian, gain 1.5", "model=rnn model.init=gaussian model.gain=1.5", 1.067),
    Arm("tanh, smart tanh", "model=rnn model.init=smart_tanh"),
    Arm("relu, identity", "model=rnn model.nonlinearity=relu model.init=identity", 1.000),
    Arm("relu, Gaussian, gain 2", "model=rnn model.nonlinearity=relu model.init=gaussian model.gain=2", 1.345),
    Arm("LSTM, torch", "model=lstm model.init=torch model.forget_bias=0", 0.630),
    Arm("LSTM, torch, forget bias 1", "model=lstm model.init=torch model.forget_bias=1", 0.868),
    Arm("LSTM, torch, forget bias 3", "model=lstm model.init=torch model.forget_bias=3", 1.015),
    Arm("LSTM, orthogonal, forget bias 0", "model=lstm model.forget_bias=0"),
    Arm("LSTM, orthogonal, forget bias 1", "model=lstm model.forget_bias=1"),
    Arm("LSTM, orthogonal, forget bias 3", "model=lstm model.forget_bias=3"),
    Arm("LSTM, chrono", "model=lstm model.init=chrono", 0.984),
    Arm("GRU, torch", "model=gru model.init=torch", 0.640),
    Arm("GRU, torch, update bias 1", "model=gru model.init=torch model.update_bias=1", 0.803),
    Arm("GRU, orthogonal", "model=gru"),
    Arm("GRU, orthogonal, update bias 1", "model=gru model.update_bias=1"),
    Arm("GRU, chrono", "model=gru model.init=chrono", 0.984),
)


def norms_by_lag(config: Any, seed: int) -> list[float]:
    """[T] norms of the gradient of the first training batch's loss at the initial values; the last timestep first."""
    from seqablate.assemble import build_model, build_task, find_device, use_backend
    from seqablate.probe import TimestepProbe
    from seqablate.training.step import forward, sample_losses

    config, device = replace(config, seed=seed), find_device("cpu")
    task = build_task(config)
    model = build_model(config, task)
    use_backend(model, config, config.clip.build(), device)
    batch = task.train_batch(0).tensors(device, next(model.parameters()).dtype)
    with TimestepProbe(model) as probe:
        _, losses, _ = forward(model, task, batch, None, generator=None)
        sample_losses(losses).mean().backward()
    (point,) = model.probe_points
    found = probe[point.name].total
    norm_TB = (found["c"] if "c" in found else found["h"])[0, 0]
    return norm_TB.square().sum(1).sqrt().flip(0).tolist()


def factor(norms: list[float]) -> float:
    """What one timestep multiplies the norm by, between the two lags."""
    return (norms[FAR] / norms[NEAR]) ** (1 / (FAR - NEAR))


def median_interval(values: list[float]) -> tuple[float, float]:
    """The k-th smallest and largest of 6 or more, at least 95 % certain to enclose the median (binomial)."""
    n = len(values)
    tail, k = 0.5**n, 0  # chance that fewer than k + 1 of n lie below the median
    while tail + math.comb(n, k + 1) * 0.5**n <= 0.025:
        k += 1
        tail += math.comb(n, k) * 0.5**n
    ordered = sorted(values)
    return ordered[k], ordered[n - 1 - k]


def verdict(before: float, interval: tuple[float, float], five: tuple[float, float]) -> str:
    """In a word, how a figure of three digits compares with what was measured."""
    for word, (low, high) in (("agree", interval), ("5 seeds", five)):
        if low - 0.0005 <= before <= high + 0.0005:
            return word
    return "differ"


def measure(arm: Arm, overrides: list[str], seeds: int) -> dict[str, Any]:
    """One row."""
    from seqablate.assemble import read_overrides

    config = read_overrides(["task=adding", *arm.overrides.split(), *overrides])
    factors = [factor(norms_by_lag(config, seed)) for seed in range(seeds)]
    low, high = median_interval(factors)
    five = [sorted(factors)[round(q * (seeds - 1))] for q in (FIVE_SEEDS, 1 - FIVE_SEEDS)]
    return arm._asdict() | {
        "factor": statistics.median(factors),
        "interval": [low, high],
        "median_of_5": five,
        "verdict": "" if arm.before is None else verdict(arm.before, (low, high), (five[0], five[1])),
        "factors": factors,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=60)
    parser.add_argument("--out", type=Path, help="also write everything, each seed's factor too, as JSON")
    parser.add_argument(
        "overrides",
        nargs="*",
        default=[],
        help="for every arm; by default dtype=float64 task.length=100 batch_size=32 model.hidden_size=64",
    )
    arguments = parser.parse_args()
    if arguments.seeds < 6:
        parser.error(f"--seeds {arguments.seeds}: an interval of 95 % needs 6 or more")
    fixed = ["dtype=float64", "task.length=100", "batch_size=32", "model.hidden_size=64", *arguments.overrides]
    rows = []
    print(f"{'arm':33}{'factor':>8}   {'95 % interval':15} {'medians of 5':15} {'before':>6}")
    for arm in ARMS:
        row = measure(arm, fixed, arguments.seeds)
        rows.append(row)
        before = "" if arm.before is None else f"{arm.before:.3f}"
        ranges = " ".join(f"{low:.3f} .. {high:.3f} " for low, high in (row["interval"], row["median_of_5"]))
        print(f"{arm.name:33}{row['factor']:8.3f}   {ranges} {before:>6}  {row['verdict']}".rstrip(), flush=True)
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps({"seeds": arguments.seeds, "overrides": fixed, "arms": rows}, indent=1))


if __name__ == "__main__":
    main()
