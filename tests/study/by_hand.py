"""Studies with results written by hand, so that what is made of them can be compared with a computation by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from recorded import DIGEST, METRIC, header, info

from seqablate.study.frozen import Frozen, freeze
from seqablate.study.sweeps import Job, Stage, choose, deciding_stage, tuning_stage, untuned
from seqablate.sweep.folder import PlannedRun, Request, make_sweep

Results = Callable[[Job], dict]


def solved_at(step: int | None, value: float = 0.5, **more) -> dict:
    """What run.json says of a run that solved its task at a step, or did not."""
    metrics = {"mse": value}
    test = {"loss": value, "metrics": metrics, "solved": step is not None}
    return {"final": metrics, "measured_step": 3, "test": test, "solved_at": step, **more}


def write_stage(stage: Stage, results: Results, metric: dict | None = None) -> None:
    """The runs of a stage as if they had been trained."""
    stage.path.mkdir(parents=True, exist_ok=True)
    sweep = make_sweep(stage.path)
    planned = {run.name for run in sweep.runs}
    for number, (job, words) in enumerate(stage.words.items()):
        run = PlannedRun(f"run{number}", words, f"{number:064d}", {"seed": str(job.seed)})
        if run.name not in planned:
            with sweep.planning():
                sweep.extend(Request(words, DIGEST, [run.name]), [run])
            _write_run(
                stage.path / run.name,
                {"digest": run.digest, "seed": job.seed, "metric": metric or METRIC, **results(job)},
            )


def _write_run(path: Path, values: dict) -> None:
    path.mkdir()
    (path / "run.json").write_text(json.dumps(info(**values)))
    (path / "record.jsonl").write_text(json.dumps(header(digest=values["digest"], seed=values["seed"])) + "\n")


def write_study(
    folder: Path, frozen: Frozen, results: Results, tuning: Results | None = None, metric: dict | None = None
) -> Path:
    """A frozen study with results: of tuning, and of the runs that decide."""
    freeze(folder, frozen)
    stage = tuning_stage(folder, frozen)
    if stage is not None and tuning is not None:
        write_stage(stage, tuning)
    tuned = tuning_stage(folder, frozen)
    chosen = untuned(frozen) if tuned is None else choose(frozen, tuned)
    write_stage(deciding_stage(folder, frozen, chosen, frozen.looks[-1]), results, metric)
    return folder
