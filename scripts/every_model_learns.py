#!/usr/bin/env python3
"""Does every model learn a task that it should, and nothing from labels that have nothing to do with the input?

Each model is trained with a few seeds on the true task until it is solved or its budget is spent, and with the same
seeds for just as many steps on shuffled labels (task.shuffle_labels). Both are judged by the test data's true labels.

    python scripts/every_model_learns.py --output outputs/every-model
"""

from __future__ import annotations

import argparse
from pathlib import Path

ADDING = "task=adding task.length=50 clip=norm"
ORDER = "task=temporal_order task.length=30"
# Model and its keys, task, steps at most.
ARMS = {
    "rnn": ("model=rnn optim.lr=0.003", ORDER, 2000),
    "lstm": ("model=lstm", ADDING, 2000),
    "gru": ("model=gru", ADDING, 2000),
    "mgu": ("model=mgu", ORDER, 1000),
    "seq2seq": ("model=seq2seq optim.lr=0.003 schedule=cosine", "task=reverse task.length=4", 2000),
    "seq2seq, dot": ("model=seq2seq model.attention=dot optim.lr=0.003 schedule=cosine", "task=reverse", 4000),
    "transformer": ("model=transformer optim.lr=0.001", "task=reverse", 1000),
    "tcn": ("model=tcn model.skip=residual optim.lr=0.001", ADDING, 1000),
    "mlp": ("model=mlp optim.lr=0.001", "task=digits", 500),
    "cnn": ("model=cnn optim.lr=0.001", "task=digits", 500),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("outputs/every-model"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, help="updates at most, in place of each arm's own budget")
    parser.add_argument("--only", nargs="+", choices=list(ARMS), default=list(ARMS), help="arms to run")
    arguments = parser.parse_args()
    print(f"{'model':14} {'task':32} {'metric':>9} {'chance':>7} {'steps':>16} {'true labels':>22} {'shuffled':>22}")
    for name in arguments.only:
        print(row(name, arguments.seeds, arguments.steps, arguments.output), flush=True)


def row(name: str, seeds: int, most: int | None, output: Path) -> str:
    """One line of the table: test results by seed, with true and with shuffled labels."""
    import seqablate

    model, task, budget = ARMS[name]
    steps = most or budget
    words = [*model.split(), *task.split(), "eval.every=50", "eval.size=1000", "probe.every=0", f"output_dir={output}"]
    true, shuffled = [], []
    for seed in range(seeds):
        stem = f"name={name.replace(', ', '-')}"
        run = seqablate.train([*words, f"{stem}-s{seed}", f"seed={seed}", f"steps={steps}"])
        true.append(run)
        control = [f"{stem}-shuffled-s{seed}", f"seed={seed}", f"steps={run.info.step}", "task.shuffle_labels=true"]
        shuffled.append(seqablate.train([*words, *control]))
    metric = true[0].info.metric

    def results(runs: list[seqablate.Run]) -> str:
        return " ".join(f"{run.info.test_value:.3g}" for run in runs)

    made = " ".join(str(run.info.step) + ("" if run.info.solved_at is None else "*") for run in true)
    shown = " ".join(word.removeprefix("task=").removeprefix("task.") for word in task.split() if "clip" not in word)
    return (
        f"{name:14} {shown:32} {metric.name:>9} {metric.chance:>7.3g} {made:>16} "
        f"{results(true):>22} {results(shuffled):>22}"
    )


if __name__ == "__main__":
    main()
